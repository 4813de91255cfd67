"""Parts of sentences for people."""

from collections.abc import Sequence


def some_of(names: Sequence[str], *, most: int) -> str:
    """`a, b, c and 4 more`: the first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
