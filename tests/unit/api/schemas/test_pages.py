import json

from starlette.responses import Response

from api.schemas.base import ResponseModel
from api.schemas.pages import Page, Rows


class Thing(ResponseModel):
    name: str


class ThingPage(Page[Thing]):
    things: list[Thing]
    message: str | None = None


THINGS = [Thing(name="a"), Thing(name="b")]
PAGE = ThingPage(total=2, limit=50, offset=0, data=THINGS, things=THINGS, message="m")


def test_by_default_the_rows_stand_under_both_names() -> None:
    assert PAGE.with_rows(Rows.BOTH) is PAGE


def test_asked_for_data_they_stand_there_once_and_all_else_stays() -> None:
    answer = PAGE.with_rows(Rows.DATA)
    assert isinstance(answer, Response)
    assert answer.headers["content-type"] == "application/json"
    both = json.loads(PAGE.model_dump_json())
    assert json.loads(bytes(answer.body)) == {name: value for name, value in both.items() if name != "things"}


def test_the_document_says_that_the_lists_own_name_may_be_absent() -> None:
    required = ThingPage.model_json_schema()["required"]
    assert "things" not in required
    assert {"total", "limit", "offset", "data"} <= set(required)
