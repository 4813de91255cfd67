"""The third argument of a call says what it is: a function of ours takes at most two by position.

Nothing is excused by its name. Four kinds of function are called by others, who fix how: what pytest hands its fixtures
to, the special methods of the language, a method that overrides one of a library's class, and what a library calls by
position, which says so by taking all its parameters by position only; that one is never called by ourselves.
"""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.architecture.test_house_rules import ROOT, parsed
from tools.code_map import ROOMS

MOST_BY_POSITION = 2
OURS = (*ROOMS, "bench", "tests")
CALLED_AS_WRITTEN = {"__init__", "__new__", "__call__"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)


@dataclass(frozen=True, slots=True)
class Module:
    path: str
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    def origin(self, name: str) -> str | None:
        """Where a name of this module was imported from, as `module.name`; None if it was not imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Import) and name in [alias.asname or alias.name for alias in node.names]:
                return name
        return None


def all_modules() -> list[Module]:
    paths = [path for room in OURS for path in (ROOT / room).rglob("*.py")]
    names = sorted(str(path.relative_to(ROOT)) for path in (*paths, *ROOT.glob("*.py")))
    return [Module(name, parsed(ROOT / name)) for name in names]


def functions(node: ast.AST, owner: ast.ClassDef | None = None) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """Each function below with the class whose method it is."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child, owner
            yield from functions(child)
        elif isinstance(child, STATEMENTS):
            yield from functions(child, child if isinstance(child, ast.ClassDef) else owner)


def by_position(function: Function, owner: ast.ClassDef | None) -> list[str]:
    """The parameters that may be given by position; without the object itself."""
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    is_bound = owner is not None and "staticmethod" not in [ast.unparse(each) for each in function.decorator_list]
    return names[1:] if is_bound or names[:1] == ["self"] else names


def pytest_hands_by_name(function: Function) -> bool:
    decorators = {ast.unparse(each).partition("(")[0] for each in function.decorator_list}
    return function.name.startswith("test_") or bool(decorators & {"pytest.fixture", "pytest_asyncio.fixture"})


def is_special(function: Function) -> bool:
    return function.name[:2] == function.name[-2:] == "__" and function.name not in CALLED_AS_WRITTEN


def overrides_a_library(function: Function, owner: ast.ClassDef | None, *, module: Module) -> bool:
    if owner is None or function.name == "__init__":
        return False
    for base in owner.bases:
        name = ast.unparse(base).partition("[")[0]
        origin = module.origin(name.partition(".")[0])
        package = (origin or "").partition(".")[0]
        if not origin or package in OURS or (ROOT / f"{package}.py").exists() or (ROOT / "workers" / package).exists():
            continue
        place, _, found = (origin + name.removeprefix(name.partition(".")[0])).rpartition(".")
        if hasattr(getattr(importlib.import_module(place), found), function.name):
            return True
    return False


def names_called(modules: list[Module]) -> set[str]:
    """Functions that are called by their own name, and methods that an object calls of itself."""
    names = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name):
                    names.add(node.func.id)
                elif isinstance(node.func, ast.Attribute) and _is_self(node.func.value):
                    names.add(f"self.{node.func.attr}")
    return names


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def too_many_by_position(modules: list[Module]) -> list[str]:
    called = names_called(modules)
    found = []
    for module in modules:
        for function, owner in functions(module.tree):
            names = by_position(function, owner)
            if len(names) <= MOST_BY_POSITION or is_special(function):
                continue
            if (module.is_test and pytest_hands_by_name(function)) or overrides_a_library(
                function, owner, module=module
            ):
                continue
            own_name = f"self.{function.name}" if owner else function.name
            if function.args.posonlyargs and not function.args.args and own_name not in called:
                continue
            found.append(f"{module.path}:{function.lineno} {function.name}({', '.join(names)})")
    return found


def test_the_third_argument_is_given_by_name() -> None:
    assert too_many_by_position(all_modules()) == []


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("def f(a, b, *, c): ...", False),
        ("def f(a, b, c): ...", True),
        ("async def f(a, b, c=1, *rest): ...", True),
        ("class A:\n    def f(self, a, b): ...", False),
        ("class A:\n    def f(self, a, b, c): ...", True),
        ("class A:\n    def __init__(self, a, b, c): ...", True),
        ("class A:\n    def __exit__(self, a, b, c): ...", False),
        ("class A:\n    @staticmethod\n    def f(a, b, c): ...", True),
        ("def outer():\n    def inner(a, b, c): ...", True),
        ("def f(a, b, c, /): ...", False),
        ("def f(a, b, c, /): ...\nf(1, 2, 3)", True),
        ("def f(a, b, /, c): ...", True),
        ("from ast import NodeVisitor\nclass A(NodeVisitor):\n    def visit(self, a, b, c): ...", False),
        ("from ast import NodeVisitor\nclass A(NodeVisitor):\n    def look(self, a, b, c): ...", True),
        ("from domain.facts import Fact\nclass A(Fact):\n    def order(self, a, b, c): ...", True),
        ("@app.task(bind=True)\ndef f(self, a, b): ...", False),
        ("def test_it(a, b, c): ...", True),
    ],
)
def test_what_the_rule_finds(source: str, is_found: bool) -> None:
    assert bool(too_many_by_position([Module("domain/source.py", ast.parse(source))])) is is_found
