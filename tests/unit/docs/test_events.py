"""docs/events.md lists every log event of the code with its level and its fields, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.code_map import ROOMS

REPOSITORY = Path(__file__).parents[3]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass
class Event:
    """Of all places that log it."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def test_the_list_and_the_code_name_the_same_events() -> None:
    assert _listed().keys() == _logged().keys()


def test_levels_and_fields_are_those_of_the_code() -> None:
    assert _listed() == _logged()


def _listed() -> dict[str, Event]:
    page = (REPOSITORY / "docs" / "events.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|([`\w, ]*)\|", page, re.MULTILINE)
    return {name: Event(set(levels.split(", ")), set(re.findall(r"\w+", fields))) for name, levels, fields in rows}


def _logged() -> dict[str, Event]:
    events: dict[str, Event] = defaultdict(Event)
    rooms = (path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))
    for path in (*REPOSITORY.glob("*.py"), *rooms):
        for call, levels in _log_calls(ast.parse(path.read_text())):
            name = call.args[0]
            assert isinstance(name, ast.Constant), f"{path}:{call.lineno}: the name of an event is written out"
            event = events[str(name.value)]
            event.levels |= levels
            event.fields |= {str(keyword.arg) for keyword in call.keywords} - {"exc_info"}
    return events


def _log_calls(tree: ast.Module) -> Iterator[tuple[ast.Call, set[str]]]:
    """`log.info(...)`, and calls of a variable that holds one of the methods of `log`."""
    held = {
        target.id: levels
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp) and (levels := _methods(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        levels = held.get(node.func.id, set()) if isinstance(node.func, ast.Name) else _method(node.func)
        if levels:
            yield node, levels


def _methods(choice: ast.IfExp) -> set[str]:
    return _method(choice.body) | _method(choice.orelse)


def _method(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "log":
        return {node.attr} & LEVELS
    return set()
