"""docs/rest-contract.md names every route and every error code of the API, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from api.errors import STATUS, http_status_of
from api.routing import API_PREFIX
from domain.errors import CeleriacError
from tests.document import document

PAGE = (Path(__file__).parents[3] / "docs" / "rest-contract.md").read_text()


def test_the_routes_are_those_of_the_api() -> None:
    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", PAGE, re.MULTILINE)
    paths = document()["paths"]
    served = [f"{verb.upper()} {path.removeprefix(API_PREFIX)}" for path in paths for verb in paths[path]]
    assert sorted(listed) == sorted([*served, "GET /metrics"])


def test_the_codes_are_those_of_the_errors() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
    listed = {(code, int(status)) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert listed == {(error.code, http_status_of(error)) for error in _descendants(CeleriacError)}
    assert {int(status) for status, _ in rows} == set(STATUS.values())


def _descendants(error: type[CeleriacError]) -> Iterator[type[CeleriacError]]:
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)
