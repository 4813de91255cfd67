"""What the rules of the domain say of themselves can be read where a pointer hovers over them."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FRAGMENT = re.compile(
    r"(Of|By|As|None|Within|Behind|At|In|On|For|From|With|Without|Beside|Between|After|Before|Since|To|Until|Above"
    r"|Below|Under|Whatever|While|Where|So)\b"
)
"""A beginning that leaves open what the thing is: its name may change, and the sentence says nothing any more."""
MODULES = sorted((REPOSITORY / "domain").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_docstring_begins_as_the_rest_of_a_sentence(module: Path) -> None:
    assert [text for text in _docstrings(ast.parse(module.read_text())) if FRAGMENT.match(text)] == []


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Those of the module, its public functions and classes, and its attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if not getattr(node, "name", "").startswith("_"):
                yield ast.get_docstring(node) or ""
            yield from _of_attributes(node.body)


def _of_attributes(body: list[ast.stmt]) -> Iterator[str]:
    for before, after in pairwise(body):
        if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
            text = after.value.value if isinstance(after.value, ast.Constant) else None
            if isinstance(text, str):
                yield text
