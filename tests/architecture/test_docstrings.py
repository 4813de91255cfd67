"""What a thing is can be read where a pointer hovers over its name, with nothing else on the screen.

Every public module, class, function and method says so, and a private one that speaks does so in a sentence. A method
of a class with bases is described where it comes from: by the class below it, or by whoever implements the port.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.architecture.test_house_rules import ROOT, modules
from tools.code_map import ROOMS

FRAGMENT = re.compile(
    r"(Of|By|As|None|Within|Behind|At|In|Into|On|For|From|With|Without|Beside|Between|Beyond|After|Before|Since|To"
    r"|Until|Above|Below|Under|Over|Through|Whatever|While|Where|So|Also|Both|Not|But|It|They|Its|Their|These|Those"
    r"|The same)\b"
)
"""A beginning that leaves open what the thing is: its name may change, and the sentence says nothing any more."""
FEWEST_WORDS = 3
MODULES = [*modules(*ROOMS, "bench", "tools"), *sorted(path.relative_to(ROOT) for path in ROOT.glob("*.py"))]

MESSAGES = Path("domain/errors.py")
"""The docstring of an error is what a client reads."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_public_thing_says_what_it_is(module: Path) -> None:
    assert list(undocumented((ROOT / module).read_text())) == []


@pytest.mark.parametrize("module", [module for module in MODULES if module != MESSAGES], ids=str)
def test_no_docstring_begins_as_the_rest_of_a_sentence(module: Path) -> None:
    assert list(fragments((ROOT / module).read_text())) == []


def undocumented(source: str) -> Iterator[str]:
    """Names of public things without a docstring."""
    for node in _public(ast.parse(source)):
        is_empty = isinstance(node, ast.Module) and not node.body
        if not is_empty and ast.get_docstring(node) is None:
            yield getattr(node, "name", "the module")


def fragments(source: str) -> Iterator[str]:
    """Docstrings that leave open what the thing is: those of modules, classes, functions and attributes,
    private too."""
    texts: list[str | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented):
            texts.append(ast.get_docstring(node))
        if isinstance(node, ast.Module | ast.ClassDef):
            texts += _of_attributes(node.body)
    for text in texts:
        if text and (FRAGMENT.match(text) or len(text.split()) < FEWEST_WORDS):
            yield text


def _public(node: Documented) -> Iterator[Documented]:
    yield node
    if isinstance(node, Function):
        return
    has_bases = isinstance(node, ast.ClassDef) and bool(node.bases)
    for below in node.body:
        if not isinstance(below, ast.ClassDef | Function) or below.name.startswith("_"):
            continue
        if not (has_bases and isinstance(below, Function)):
            yield from _public(below)


def _of_attributes(body: list[ast.stmt]) -> Iterator[str]:
    for before, after in pairwise(body):
        if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
            text = after.value.value if isinstance(after.value, ast.Constant) else None
            if isinstance(text, str):
                yield text


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("", False),
        ("X = 1", True),
        ('"""A module."""\ndef f(): ...', True),
        ('"""A module."""\nasync def f(): ...', True),
        ('"""A module."""\ndef _f(): ...', False),
        ('"""A module."""\nclass A: ...', True),
        ('"""A module."""\nclass A:\n    """A class."""\n    def f(self): ...', True),
        ('"""A module."""\nclass A(Protocol):\n    """A port."""\n    def f(self): ...', False),
        ('"""A module."""\nclass _A:\n    def f(self): ...', False),
    ],
)
def test_what_is_undocumented(source: str, is_found: bool) -> None:
    assert bool(list(undocumented(source))) is is_found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Of one part.", True),
        ("As ReadConnection, for what clients search by.", True),
        ("The same, of one task.", True),
        ("Its URL.", True),
        ("Seconds.", True),
        ("The condition of one component.", False),
        ("Add `count` to the counter.", False),
        ("Offers what was refused once more.", False),
    ],
)
def test_what_is_a_fragment(text: str, is_found: bool) -> None:
    for source in (f'def f():\n    """{text}"""', f'X = 1\n"""{text}"""', f'async def f():\n    """{text}"""'):
        assert bool(list(fragments(source))) is is_found
