"""Parts of sentences for people."""

from collections.abc import Sequence


def some_of(names: Sequence[str], *, most: int) -> str:
    """`a, b, c and 4 more`: the first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plural(number: int, one: str, *, many: str | None = None, is_exact: bool = True) -> str:
    """`1 task`, `1,204 tasks`, `10,000+ tasks`; `many` where that is not `one` and an s: `2 tasks wait`."""
    if not is_exact:
        return f"{number:,}+ {many or f'{one}s'}"
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
