"""Ages by the database's clock, as expressions."""

from typing import Any

from sqlalchemy import ColumnElement, Float, cast, extract, func


def seconds_since(time: Any) -> ColumnElement[float]:
    """Return the seconds from this time to now: negative where it is to come, None where there is none."""
    return cast(extract("epoch", func.now() - time), Float)
