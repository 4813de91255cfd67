"""Lists: the envelope that they come in, and the query parameters by which a client asks for a part."""

from enum import StrEnum
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query, Response
from pydantic import ConfigDict, Field

from api.schemas.base import ResponseModel

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
# A bigint holds it; further than any table of ours reaches.
MAX_OFFSET = 2**53 - 1

MAX_CURSOR = 8_448
"""Characters of a cursor: it holds an id of 1,024 bytes, each of which may be written as six."""
CURSOR_MEANING = "`next_cursor` of the page before; instead of `offset`."

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in this page.")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Rows before this page.")]

PageCursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description=CURSOR_MEANING)]


class SortOrder(StrEnum):
    """Whether a list ascends or descends."""

    ASC = "asc"
    DESC = "desc"


class Rows(StrEnum):
    """How often the rows of a list stand in its answer."""

    BOTH = "both"
    DATA = "data"


ROWS_MEANING = "`data`: the rows once, as `data`, without the list's own name for them."
RowsShown = Annotated[Rows, Query(description=ROWS_MEANING)]


def _own_name_may_be_absent(schema: dict[str, Any]) -> None:
    """Say that the rows' own name may be absent, as it is with `rows=data`."""
    schema["required"] = [name for name in schema.get("required", ()) if name in Page.model_fields]


class Page(ResponseModel, Generic[Row]):
    """A part of a list. Subclasses give the rows a second name, as docs/rest-contract.md has it."""

    model_config = ConfigDict(json_schema_extra=_own_name_may_be_absent)

    total: int = Field(description="Rows that match.")
    total_is_exact: bool = Field(True, description="False: there are at least `total`.")
    limit: int
    offset: int
    data: list[Row]
    next_cursor: str | None = Field(None, description="Continues after this page, stable under inserts.")

    def with_rows(self, rows: Rows) -> Self | Response:
        """Return the page with the rows under both names, or once."""
        if rows is Rows.BOTH:
            return self
        own = {name for name in type(self).model_fields if name not in Page.model_fields}
        lists = {name for name in own if isinstance(getattr(self, name), list)}
        return Response(self.model_dump_json(exclude=lists), media_type="application/json")
