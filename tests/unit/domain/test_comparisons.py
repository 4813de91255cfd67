import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparisons import Difference, Op, differences, is_same, is_same_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4),
    max_leaves=12,
)


def applied(document: Any, steps: list[Difference]) -> Any:
    """The document after these steps of a JSON Patch, by the letter of RFC 6902."""
    root = {"": copy.deepcopy(document)}
    for step in steps:
        parent: Any = root
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step.path.split("/")]
        for part in way:
            parent = parent[int(part) if isinstance(parent, list) else part]
        if isinstance(parent, list) and step.op is Op.ADD:
            parent.insert(int(last), step.value)
            continue
        place = int(last) if isinstance(parent, list) else last
        if step.op is Op.REMOVE:
            assert is_same_json(parent[place], step.old_value)
            del parent[place]
        else:
            parent[place] = step.value
    return root[""]


@given(json_values, json_values)
def test_the_differences_turn_one_value_into_the_other(one: Any, other: Any) -> None:
    steps = list(differences(one, other))
    assert is_same_json(applied(one, steps), other)
    assert (not steps) is is_same_json(one, other)


@given(json_values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert list(differences(value, copy.deepcopy(value))) == []


def test_each_difference_names_its_place_and_both_values() -> None:
    one = {"task_args": [1, "a", True], "task_kwargs": {"a/b": 1, "gone": 2}}
    other = {"task_args": [1, "b"], "task_kwargs": {"a/b": 1.0, "new": None}}
    assert list(differences(one, other)) == [
        Difference(Op.REPLACE, "/task_args/1", value="b", old_value="a"),
        Difference(Op.REMOVE, "/task_args/2", old_value=True),
        Difference(Op.REPLACE, "/task_kwargs/a~1b", value=1.0, old_value=1),
        Difference(Op.REMOVE, "/task_kwargs/gone", old_value=2),
        Difference(Op.ADD, "/task_kwargs/new"),
    ]


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, 0), ([], {})])
def test_values_of_another_kind_are_not_the_same(one: Any, other: Any) -> None:
    assert not is_same_json(one, other)
    assert not is_same_json([one], [other])


def test_what_is_not_known_is_neither_same_nor_different() -> None:
    assert [is_same(5, 5), is_same(5, 6), is_same(None, 5), is_same(5, None), is_same(None, None)] == [
        True,
        False,
        None,
        None,
        None,
    ]


def test_lists_that_are_alike_are_gone_through_without_a_step_for_each_place() -> None:
    """One call for a place would be a million of them for 1 MiB; kinds of numbers differ all the same."""
    assert list(differences([[], 1, {}, "a"], [[], 1.0, {}, "a"])) == [
        Difference(Op.REPLACE, "/1", value=1.0, old_value=1)
    ]
    assert list(differences([[1]], [[True]])) == [Difference(Op.REPLACE, "/0/0", value=True, old_value=1)]
