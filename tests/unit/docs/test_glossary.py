"""docs/glossary.md gives each word one meaning and one owner, and no code bears a name that was retired."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.code_map import REPOSITORY, ROOMS

Function = ast.FunctionDef | ast.AsyncFunctionDef
PAGE = (REPOSITORY / "docs" / "glossary.md").read_text()
WORDS = re.findall(r"^\| \*\*(\w+)\*\*[^|]*\|[^|]*\| `([^`]+)` \|", PAGE, re.MULTILINE)
RETIRED = re.findall(r"^\| `([\w.]+)` \|", PAGE.partition("## Retired names")[2], re.MULTILINE)


def test_each_word_has_one_meaning() -> None:
    words = [word for word, _ in WORDS]
    assert len(words) > 30
    assert sorted(words) == sorted(set(words))


def test_each_owner_is_there_and_has_the_word() -> None:
    strangers = [(word, path) for word, path in WORDS if not _uses(REPOSITORY / path, word)]
    assert strangers == []


def test_no_class_module_or_function_bears_a_retired_name() -> None:
    assert RETIRED
    assert sorted(name for name in set(_names()) if name in RETIRED) == []


def _uses(path: Path, word: str) -> bool:
    return path.exists() and word in path.name + path.read_text().lower()


def _names() -> Iterator[str]:
    """Every module as `room.module`, every class, and every function of a module as `module.function`."""
    for room in ROOMS:
        for path in (REPOSITORY / room).rglob("*.py"):
            yield f"{room}.{path.stem}"
            tree = ast.parse(path.read_text())
            yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
            yield from (f"{path.stem}.{node.name}" for node in tree.body if isinstance(node, Function))
