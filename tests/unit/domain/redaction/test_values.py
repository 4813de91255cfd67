from typing import Any

import pytest

from domain.redaction.names import SecretNames
from domain.redaction.values import (
    MASK,
    MAX_DEPTH,
    MAX_LITERALS,
    has_mask,
    hidden_texts,
    hide_texts,
    mask_names,
    mask_place,
    value_at,
)

is_secret = SecretNames().is_secret


def masked(value: Any) -> Any:
    return mask_names(value, is_secret)


@pytest.mark.parametrize("secret", ["hunter2", "", 4711, 1.5, True, None, ["a"], {"b": 1}, MASK])
def test_the_mask_tells_neither_length_nor_type(secret: Any) -> None:
    assert masked({"user": "ada", "password": secret}) == {"user": "ada", "password": MASK}


@pytest.mark.parametrize(("value", "is_shown"), [(0, True), (99, True), (100, False), (-1, False), (1.0, False)])
def test_a_number_too_small_to_be_a_secret_is_a_count(value: Any, is_shown: bool) -> None:
    assert masked({"token": value}) == {"token": value if is_shown else MASK}


def test_a_name_counts_at_any_depth() -> None:
    value = {"a": [1, {"b": {"api_key": "x", "c": [{"token": "y"}]}}], "d": ({"pwd": 1234},)}
    shown = {"a": [1, {"b": {"api_key": MASK, "c": [{"token": MASK}]}}], "d": ({"pwd": MASK},)}
    assert masked(value) == shown
    assert value["a"][1]["b"]["api_key"] == "x"  # type: ignore[index]


@pytest.mark.parametrize("value", [None, 1, "password", [], {}, [1, "token"], {"a": [{"b": 1}], "token_count": 7}])
def test_what_hides_nothing_is_the_same_object(value: Any) -> None:
    assert masked(value) is value


def test_what_lies_too_deep_is_hidden_and_overflows_nothing() -> None:
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]
    shown, depth = masked(value), 0
    while isinstance(shown, list):
        shown, depth = shown[0], depth + 1
    assert (shown, depth) == (MASK, MAX_DEPTH)


@pytest.mark.parametrize(
    ("segments", "shown"),
    [
        ("a", {"a": MASK, "b": [{"c": 3}, {"c": 4}], "*": 5}),
        ("b/1/c", {"a": 1, "b": [{"c": 3}, {"c": MASK}], "*": 5}),
        ("b/*/c", {"a": 1, "b": [{"c": MASK}, {"c": MASK}], "*": 5}),
        ("*", {"a": MASK, "b": MASK, "*": MASK}),
    ],
)
def test_a_place_is_hidden(segments: str, shown: Any) -> None:
    assert mask_place({"a": 1, "b": [{"c": 3}, {"c": 4}], "*": 5}, segments.split("/")) == shown


@pytest.mark.parametrize("segments", ["x", "a/b", "b/2/c", "b/-1", "b/x", "b/0/c/d", "b/99999999999999", "b/\u00b2"])
def test_a_place_that_is_not_there_changes_nothing(segments: str) -> None:
    value = {"a": 1, "b": [{"c": 3}, {"c": 4}]}
    assert mask_place(value, segments.split("/")) is value


def test_the_value_at_a_place_is_hidden_if_anything_around_it_is() -> None:
    value = {"a": [1, MASK], "b": MASK, "c/d": {"~": 2}, "*": 3}
    found = {
        pointer: value_at(value, pointer) for pointer in ("/a/0", "/a/1", "/b/x/y", "/c~1d/~0", "/*", "/a/*", "/z")
    }
    assert found == {"/a/0": 1, "/a/1": MASK, "/b/x/y": MASK, "/c~1d/~0": 2, "/*": 3, "/a/*": None, "/z": None}
    assert value_at(value, "") is value


@pytest.mark.parametrize(
    ("value", "found"),
    [(MASK, True), ([1, {"a": [MASK]}], True), ({MASK: 1}, False), ("a [masked] b", False), ([], False)],
)
def test_a_mask_is_found_anywhere(value: Any, found: bool) -> None:
    assert has_mask(value) is found


def test_hidden_values_are_told_as_texts_may_repeat_them_longest_first() -> None:
    value = {"password": 'qu"ote\nd', "token": "Bearer abcdefghijkl", "secret": [1234567, {"a": "short"}, True, None]}
    value |= {"open": "not this one", "more": [{"pwd": ("in a tuple",)}, {"kept": "nor this"}]}
    assert hidden_texts(value, masked(value)) == [
        *("Bearer abcdefghijkl", "abcdefghijkl", "in a tuple"),
        *('qu\\"ote\\nd', 'qu"ote\\nd', 'qu"ote\nd', "1234567"),
    ]


def test_only_so_many_hidden_values_are_looked_for() -> None:
    value = {"secrets": [f"secret {number}" for number in range(10 * MAX_LITERALS)]}
    assert len(hidden_texts(value, masked(value))) == MAX_LITERALS


def test_texts_that_repeat_a_hidden_value_get_the_mask_in_its_place() -> None:
    assert hide_texts("no hunter22, no hunter2!", ["hunter22", "hunter2", "absent"]) == f"no {MASK}, no {MASK}!"
