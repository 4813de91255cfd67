"""Every test can fail, and none sleeps and hopes: facts are waited for in one place, `tests/patience.py`.

A test asserts, by itself or through a function of the tests that it calls: a statement `assert`, an error that must be
raised, or a fact that is waited for.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_house_rules import modules, parsed

PATIENCE = Path("tests/patience.py")
SLEEPS = {"time.sleep", "asyncio.sleep", "sleep"}
DEMANDS = {"raises", "fail", "warns", "wait_for", "until", "expect"}
"""What demands something of the code that is tested, but for the statement `assert`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def called(node: ast.AST) -> set[str]:
    """The last names of all that is called below."""
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    return methods | {call.id for call in calls if isinstance(call, ast.Name)}


def functions(module: ast.Module) -> Iterator[Function]:
    yield from (node for node in ast.walk(module) if isinstance(node, Function))


def sleeps_in_loops(module: ast.Module) -> list[int]:
    """Lines of the loops that sleep between two looks. One that never ends waits for nothing; `sleep(0)` is a turn."""
    found = []
    for loop in ast.walk(module):
        if not isinstance(loop, ast.While) or _never_ends(loop):
            continue
        for call in ast.walk(loop):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in SLEEPS and ast.unparse(call.args[0]) != "0":
                found.append(loop.lineno)
    return found


def _never_ends(loop: ast.While) -> bool:
    is_endless = isinstance(loop.test, ast.Constant) and bool(loop.test.value)
    return is_endless and not any(isinstance(node, ast.Break | ast.Return) for node in ast.walk(loop))


def demanding(trees: list[ast.Module]) -> set[str]:
    """Names of the functions of the tests that demand something, if only through others."""
    named = [(function.name, called(function), function) for tree in trees for function in functions(tree)]
    found = DEMANDS | {name for name, _, node in named if any(isinstance(each, ast.Assert) for each in ast.walk(node))}
    while more := {name for name, calls, _ in named if calls & found} - found:
        found |= more
    return found


def toothless(trees: list[ast.Module]) -> list[str]:
    """Tests that no answer of the code could fail."""
    demand = demanding(trees)
    tests = (function for tree in trees for function in functions(tree) if function.name.startswith("test_"))
    return [test.name for test in tests if test.name not in demand]


def test_only_patience_sleeps_and_looks_again() -> None:
    found = {str(module): sleeps_in_loops(parsed(module)) for module in modules("tests") if module != PATIENCE}
    assert {module: lines for module, lines in found.items() if lines} == {}
    assert sleeps_in_loops(parsed(PATIENCE)), "the rule finds what it looks for"


def test_every_test_demands_something() -> None:
    assert toothless([parsed(module) for module in modules("tests")]) == []


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("def test_a(): look()", True),
        ("def test_a(): assert look()", False),
        ("def test_a():\n    with pytest.raises(E): look()", False),
        ("def test_a(): wait_for(look)", False),
        ("def test_a(): must(1)\ndef must(a): assert a", False),
        ("def test_a(): self.must(1)\ndef must(a): really(a)\ndef really(a): assert a", False),
        ("def test_a(): must(1)\ndef must(a): look()", True),
    ],
)
def test_which_tests_are_toothless(source: str, is_found: bool) -> None:
    assert bool(toothless([ast.parse(source)])) is is_found


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("while not fact():\n    time.sleep(0.1)", True),
        ("async def f():\n    while True:\n        if fact(): return\n        await asyncio.sleep(0.1)", True),
        ("async def f():\n    while not fact():\n        await asyncio.sleep(0)", False),
        ("while True:\n    time.sleep(1)", False),
        ("for _ in moments(1): look()", False),
    ],
)
def test_which_loops_sleep_and_look_again(source: str, is_found: bool) -> None:
    assert bool(sleeps_in_loops(ast.parse(source))) is is_found
