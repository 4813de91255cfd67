"""Parts of sentences for people: names, numbers and times.

Numbers and durations are those of `dashboard/src/logic/format.ts`, to the letter: `dashboard/tests/said.json` holds
both to the same words.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

NONE = "\N{EN DASH}"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def some_of(names: Sequence[str], *, most: int) -> str:
    """`a, b, c and 4 more`: the first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plural(number: int, one: str, *, many: str | None = None, is_exact: bool = True) -> str:
    """`1 task`, `1,204 tasks`, `10,000+ tasks`; `many` where that is not `one` and an s: `2 tasks wait`."""
    if not is_exact:
        return f"{number:,}+ {many or f'{one}s'}"
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def count(value: float | None) -> str:
    """Return `1,204`; a dash for what is not known."""
    return NONE if value is None else f"{whole(value):,}"


def about(seconds: float | None) -> str:
    """Return it in whole seconds, and in whole minutes from ten on: `41 s`, `1 m 09 s`, `12 m`; for sentences."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return "less than a second"
    rounded = whole(seconds)
    return f"{rounded // MINUTE} m" if 600 <= rounded < HOUR else duration(rounded)


def duration(seconds: float | None) -> str:
    """Return `45 µs`, `1.2 ms`, `340 ms`, `1.31 s`, `41.2 s`, `2 m 05 s`, `3 h 12 m`, `189 d 20 h`."""
    if seconds is None:
        return NONE
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 59.95:
        return _short(seconds)
    if whole(seconds) < HOUR:
        minutes, rest = divmod(whole(seconds), 60)
        return f"{minutes} m {rest:02} s"
    hours, minutes = divmod(whole(seconds / MINUTE), 60)
    if hours < 24:
        return f"{hours} h {minutes:02} m"
    days, hours = divmod(whole(seconds / HOUR), 24)
    return f"{days} d {hours} h"


def percent(value: float | None) -> str:
    """Return `0.6 %`, `22 %`; one decimal below 10."""
    if value is None:
        return NONE
    if 0 < value < 0.05:
        return "<0.1 %"
    return f"{_trim(_fixed(value, 1)) if abs(value) < 9.95 else whole(value)} %"


def per_minute(rate: float | None) -> str:
    """Return `1,032/min`, `0.4/min`, from a rate a minute."""
    if rate is None:
        return NONE
    return f"{_trim(_fixed(rate, 1)) if 0 < rate < 9.95 else count(rate)}/min"


def whole(value: float) -> int:
    """Return it in whole numbers. Halves go up, as in JavaScript; Python's `round` takes them to the even neighbour."""
    return math.floor(value + 0.5)


def span(seconds: float) -> str:
    """Return `1 hour`, `5 minutes`, `90 s`: a stretch of time that somebody has set, as it would be said."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit and seconds % unit == 0:
            return plural(whole(seconds / unit), name)
    return f"{seconds:g} s"


def _short(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if seconds < 0.0000995:
        return f"{max(1, whole(seconds * 1e6))} µs"
    if seconds < 0.00995:
        return f"{_trim(_fixed(seconds * 1000, 1))} ms"
    if seconds < 0.9995:
        return f"{whole(seconds * 1000)} ms"
    return f"{_trim(_fixed(seconds, 2 if seconds < 9.995 else 1))} s"


def _fixed(value: float, places: int) -> str:
    """Return it as JavaScript's `toFixed` does: of two that are as near the one further from zero, not the even one."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
