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


def lasting(seconds: float) -> str:
    """`40 s`, `12 m`, `23 h 57 m`, `3 d 4 h`: how long something takes, in no more than two units."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} m"
    hours = round(seconds / 3600)
    return f"{minutes // 60} h {minutes % 60:02} m" if minutes < 24 * 60 else f"{hours // 24} d {hours % 24} h"
