"""When the processes of a worker's name began and said goodbye, as expressions: in whatever order they are told."""

from typing import Any

from sqlalchemy import ColumnElement, case, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array

from store.tables.base import Time

LIVES = {"starts": "online_at", "goodbyes": "goodbye_at"}
"""The lists that are kept, each with what is heard of it."""
MOST_LIVES = 20
"""How many starts and goodbyes of a name are kept, the latest."""


def first_of(told: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the list of a name that is new."""
    return func.array_remove(array([told]), None)


def with_told(kept: ColumnElement[Any], told: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the list with what is told, the latest first."""
    every = func.unnest(func.array_append(kept, told)).table_valued(column("at", Time)).render_derived()
    latest = select(every.c.at).distinct().order_by(every.c.at.desc()).limit(MOST_LIVES)
    return case((told.is_(None), kept), else_=func.array(latest.scalar_subquery(), type_=ARRAY(Time)))
