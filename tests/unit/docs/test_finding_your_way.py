"""docs/finding-your-way.md names files and functions that are there, under the headings of docs/map.md."""

import ast
import re
from collections.abc import Iterator

from tools.code_map import PAGE as MAP
from tools.code_map import REPOSITORY

PAGE = (REPOSITORY / "docs" / "finding-your-way.md").read_text()
ROWS = [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\| (.*\| \d+) \|$", PAGE, re.MULTILINE)]
"""The question, the heading on the map, the answer, the places, and how many files are opened."""


def test_there_are_ten_questions() -> None:
    assert len(ROWS) == 10


def test_every_place_is_there() -> None:
    places = [place for row in ROWS for place in _places(row)]
    assert [(path, name) for path, name in places if name not in set(_names(path))] == []


def test_every_file_is_on_the_map_under_its_heading_but_what_all_share() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MAP.read_text(), re.MULTILINE | re.DOTALL))
    listed = {heading: section + sections["Every process"] for heading, section in sections.items()}
    assert [(row[1], path) for row in ROWS for path, _ in _places(row) if f"`{path}`" not in listed[row[1]]] == []


def test_the_number_of_files_is_that_of_the_places() -> None:
    assert [row[0] for row in ROWS if len({path for path, _ in _places(row)}) != int(row[4])] == []


def _places(row: list[str]) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)` `([\w.]+)`", row[3])


def _names(path: str) -> Iterator[str]:
    """Every class, function, method and constant of the file."""
    tree = ast.parse((REPOSITORY / path).read_text())
    for node in (*tree.body, *(inner for each in tree.body if isinstance(each, ast.ClassDef) for inner in each.body)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
