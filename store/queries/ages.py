"""Ages by the database's clock and lengths of time, as expressions."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Interval, cast, extract, func


def seconds_since(time: Any) -> ColumnElement[float]:
    """Return the seconds from this time to now: negative where it is to come, None where there is none."""
    return cast(extract("epoch", func.now() - time), Float)


def interval_of(seconds: Any) -> ColumnElement[timedelta]:
    """Return a number of seconds as an interval."""
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval)
