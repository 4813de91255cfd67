"""docs/finding-your-way.md names files and functions that are there, under the headings of docs/map.md."""

import ast
import re
from collections.abc import Iterator

from tools.code_map import PAGE as MAP
from tools.code_map import REPOSITORY

PAGE = (REPOSITORY / "docs" / "finding-your-way.md").read_text()
ANSWERS = re.findall(r"^Map: (.+?)\. Open: (.+?)\.$", PAGE, re.MULTILINE | re.DOTALL)
"""The heading on the map and the places, of each question."""


def test_each_of_ten_questions_has_an_answer() -> None:
    assert len(ANSWERS) == len(re.findall(r"^## .*\?$", PAGE, re.MULTILINE)) == 10


def test_every_place_is_there() -> None:
    places = [place for _, listed in ANSWERS for place in _places(listed)]
    assert len(places) >= len(ANSWERS)
    assert [(path, name) for path, name in places if name not in set(_names(path))] == []


def test_every_file_is_on_the_map_under_its_heading_but_what_all_share() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MAP.read_text(), re.MULTILINE | re.DOTALL))
    on_the_map = {heading: section + sections["Every process"] for heading, section in sections.items()}
    listed = [(heading, path) for heading, places in ANSWERS for path, _ in _places(places)]
    assert [(heading, path) for heading, path in listed if f"`{path}`" not in on_the_map[heading]] == []


def _places(listed: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)`\s`(\w+)`", listed)


def _names(path: str) -> Iterator[str]:
    """Every class, function, method and constant of the file."""
    tree = ast.parse((REPOSITORY / path).read_text())
    for node in (*tree.body, *(inner for each in tree.body if isinstance(each, ast.ClassDef) for inner in each.body)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
