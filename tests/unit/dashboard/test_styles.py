"""Styles of a page stay with it: they are loaded when it is first opened, and hold on every page that comes after."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.dashboard import ROOM

SOURCES = ROOM / "src"
SHEETS = sorted(SOURCES.rglob("*.css"))
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
HEAD = re.compile(r"([^{};]+)\{")
CLASS = re.compile(r"\.([a-z][\w-]*)")
KEYFRAME = re.compile(r"^(from|to|\d+%)$")


def selectors(sheet: Path) -> Iterator[str]:
    """What each rule of the sheet is for, one by one."""
    for head in HEAD.findall(COMMENT.sub("", sheet.read_text())):
        if not head.strip().startswith("@"):
            # A comma within parentheses parts nothing.
            yield from (one.strip() for one in re.split(r",(?![^(]*\))", head))


def folder_of(sheet: Path) -> Path:
    """The page that the sheet is of; all that is shared is one."""
    parts = sheet.relative_to(SOURCES).parts
    return Path(*parts[:2]) if parts[0] == "pages" else Path()


def classes_elsewhere(folder: Path) -> set[str]:
    """What rules of other folders begin with."""
    others = (sheet for sheet in SHEETS if folder_of(sheet) != folder)
    return {name for sheet in others for one in selectors(sheet) for name in CLASS.findall(one)[:1]}


@pytest.mark.parametrize("folder", sorted({folder_of(sheet) for sheet in SHEETS} - {Path()}), ids=lambda it: it.name)
def test_each_style_of_a_page_names_a_class_that_only_the_page_has(folder: Path) -> None:
    taken = classes_elsewhere(folder)
    found = [
        one
        for sheet in SHEETS
        if folder_of(sheet) == folder
        for one in selectors(sheet)
        if not KEYFRAME.match(one) and not set(CLASS.findall(one)) - taken
    ]
    assert found == []
