"""Times that others tell: what is left of them where their clock cannot be right.

Wrong clocks and forged dates come with everything that is told from outside. When it reached us we know by our own
clock, and nothing happened later than it was told.
"""

from datetime import UTC, datetime, timedelta

AHEAD_SECONDS = 5.0
"""How far clocks differ that are kept in step badly; what is dated later still happened before it was told."""
BEHIND_SECONDS = 366 * 86_400.0
"""Events may wait for as long as a broker is kept alive without us; a clock that is further behind was never set."""


def credible(told: float, *, heard: float) -> float:
    """Seconds since 1970, from those that were told and those at which that was heard.

    Never later than shortly after `heard`, in the order in which it was told; what is too old for any clock that was
    ever set happened when it was heard.
    """
    if told > heard + AHEAD_SECONDS:
        return heard + AHEAD_SECONDS
    return told if told >= heard - BEHIND_SECONDS else heard


def credible_time(told: datetime, *, heard: datetime) -> datetime:
    """Return the aware time that was told, or the one at which it was heard where it cannot be true."""
    if told > heard + timedelta(seconds=AHEAD_SECONDS):
        return heard + timedelta(seconds=AHEAD_SECONDS)
    return told if told >= heard - timedelta(seconds=BEHIND_SECONDS) else heard


def credible_runtime(told: object, *, received_at: datetime | None, ended_at: datetime) -> float | None:
    """Seconds that a run took, as its worker says; None where it says nothing, or the run would be older than its
    message, or than any.
    """
    if not isinstance(told, int | float):
        return None
    longest = BEHIND_SECONDS if received_at is None else (ended_at - received_at).total_seconds() + AHEAD_SECONDS
    return float(told) if 0 <= told <= longest else None


def time_of(seconds: float, *, heard: datetime) -> datetime:
    """The credible time of seconds since 1970 that may be any number at all."""
    return datetime.fromtimestamp(credible(seconds, heard=heard.timestamp()), UTC)
