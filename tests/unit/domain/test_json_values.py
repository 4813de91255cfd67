import re
import time
from typing import Any

import pytest

from domain.json_values import MAX_DEPTH, check_json, check_text, is_too_deep, nests_deeper, segments_of, storable
from tests.raised import raised_by


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "", "héllo \U0001f600", [], {}, [1, 2.5, None, "x"], {"a": {"b": [True, {"c": "ü"}]}}],
)
def test_what_json_can_say_is_accepted(value: Any) -> None:
    assert raised_by(check_json, value) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "NaN and Infinity are not JSON"),
        ([float("inf")], "NaN and Infinity are not JSON (at 0)"),
        ({"rows": [1, {"price": float("-inf")}]}, "NaN and Infinity are not JSON (at rows.1.price)"),
        ("a\x00b", "the character U+0000 cannot be stored"),
        (["x", "\x00"], "the character U+0000 cannot be stored (at 1)"),
        ({"a\x00": 1}, "the character U+0000 cannot be stored"),
        ([{"a": "\ud800"}], "a lone surrogate is not a character (at 0.a)"),
        ([{"\udfff": 1}], "a lone surrogate is not a character (at 0)"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        check_json(value)
    assert str(refusal.value) == message


def test_nesting_is_accepted_to_the_bound_and_refused_beyond_it() -> None:
    check_json(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match=f"nested deeper than {MAX_DEPTH}"):
        check_json(nested(MAX_DEPTH + 1))


def test_objects_count_as_depth_too() -> None:
    value: Any = {}
    for _ in range(MAX_DEPTH):
        value = {"k": value}
    with pytest.raises(ValueError, match="nested deeper"):
        check_json(value)


def test_a_long_key_does_not_make_a_long_message() -> None:
    with pytest.raises(ValueError, match="NaN") as refusal:
        check_json({"k" * 100_000: float("nan")})
    assert len(str(refusal.value)) < 200


def test_text_with_real_surrogate_pairs_is_text() -> None:
    assert raised_by(check_text, "\U0001f600") is None


def test_half_a_million_numbers_are_checked_within_a_blink() -> None:
    value = {"rows": list(range(500_000))}
    started = time.process_time()
    check_json(value)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("text", ["a\x00", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be stored|lone surrogate"):
        check_text(text)


def test_depth_is_the_same_of_a_text_and_of_a_value() -> None:
    for depth in (1, 5, 6):
        assert is_too_deep(nested(depth), most=5) is (depth > 5)
    assert not nests_deeper(b"[[[]]]", than=3)
    assert nests_deeper(b"[[[[]]]]", than=3)
    assert not nests_deeper(b'[[["[[[[[["]]]', than=3)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\N{PILE OF POO}", "\N{PILE OF POO}"),
        ({"\0": ["\udfff", 1, None, {"x": "\0"}]}, {"\ufffd": ["\ufffd", 1, None, {"x": "\ufffd"}]}),
        (2.5, 2.5),
    ],
)
def test_what_postgres_cannot_store_is_replaced_wherever_it_stands(value: object, stored: object) -> None:
    assert storable(value) == stored


def test_a_pointer_is_split_and_its_signs_are_read() -> None:
    assert segments_of("/a~1b/~01/") == ("a/b", "~1", "")
