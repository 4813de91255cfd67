"""The ports of the gateway stand in one place, each once, and are what the gateway and its fakes offer."""

import ast
import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gateway import ports
from tests.architecture.test_house_rules import modules, parsed
from tests.fakes import gateway as fakes
from tools.code_map import ROOMS

PORTS = [
    port for port in vars(ports).values() if getattr(port, "_is_protocol", False) and port.__module__ == "gateway.ports"
]
NO_FAKE = {"FindsDifferences", "PutsBackFetched", "SendsWebhooks"}
"""Their tests look at real keys, at messages of real consumers, and at what real receivers were sent."""


def protocols(module: Path) -> list[str]:
    """The protocols that the module states."""
    return [
        node.name
        for node in parsed(module).body
        if isinstance(node, ast.ClassDef) and "Protocol" in {ast.unparse(base) for base in node.bases}
    ]


def owner_of(port: type) -> Any:
    """The class of the gateway that the port's docstring names."""
    named = re.search(r"`(gateway(?:\.[a-z_]+)+)\.(\w+)`", port.__doc__ or "")
    assert named, f"{port.__name__} names no class of the gateway"
    return getattr(import_module(named[1]), named[2])


def methods_of(port: type) -> list[str]:
    return [name for name, value in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")]


def assert_takes_what_is_given(port: type, offered: type) -> None:
    """The class has each method of the port, with its arguments by name; any other of its own has a default."""
    for name in methods_of(port):
        asked, has = inspect.signature(getattr(port, name)), inspect.signature(getattr(offered, name))
        assert inspect.iscoroutinefunction(getattr(port, name)) == inspect.iscoroutinefunction(getattr(offered, name))
        for key, argument in asked.parameters.items():
            assert has.parameters[key].kind is argument.kind, f"{offered.__name__}.{name}: {key}"
            assert argument.default in (argument.empty, has.parameters[key].default), (
                f"{offered.__name__}.{name}: {key}"
            )
        own = [value for key, value in has.parameters.items() if key not in asked.parameters]
        assert all(value.default is not value.empty for value in own), f"{offered.__name__}.{name}"


def test_no_two_protocols_bear_one_name() -> None:
    names = Counter(name for module in modules(*ROOMS) for name in protocols(module))
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_no_room_states_for_itself_what_it_needs_of_the_gateway() -> None:
    outside = [module for module in modules(*ROOMS) if module.parts[0] != "gateway"]
    texts = {
        f"{module}:{node.name}": ast.get_docstring(node) or ""
        for module in outside
        for node in parsed(module).body
        if isinstance(node, ast.ClassDef) and node.name in protocols(module)
    }
    assert [name for name, text in texts.items() if "`gateway." in text] == []


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_is_a_part_of_the_class_that_it_names(port: type) -> None:
    assert methods_of(port)
    assert_takes_what_is_given(port, owner_of(port))


@pytest.mark.parametrize(
    "port", [port for port in PORTS if port.__name__ not in NO_FAKE], ids=lambda port: port.__name__
)
def test_the_fake_offers_the_same(port: type) -> None:
    assert_takes_what_is_given(port, getattr(fakes, f"Fake{owner_of(port).__name__}"))
