from typing import Any

import pytest

from domain.redaction.rules import (
    COMMON,
    MAX_RULES,
    MAX_SEGMENTS,
    Branch,
    PlaceRule,
    Redaction,
    check_names,
    parse_places,
)
from domain.redaction.values import MASK
from tests.raised import raised_by

CHARGE = Redaction(parse_places(["shop.charge:/kwargs/pan", "shop.*:/args/1", "*:/result/rows/*/no", "sealed:/result"]))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("shop.charge:/kwargs/pan", PlaceRule("shop.charge", Branch.KWARGS, ("pan",))),
        ("a:b:/args/0/~1~0", PlaceRule("a:b", Branch.ARGS, ("0", "/~"))),
        ("*:/result", PlaceRule("*", Branch.RESULT, ())),
    ],
)
def test_a_rule_is_a_task_name_and_a_pointer(text: str, rule: PlaceRule) -> None:
    assert parse_places([text]) == (rule,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("shop.charge", "is no task name with a JSON pointer, such as shop.charge:/kwargs/pan"),
        (":/kwargs/pan", "is no task name with a JSON pointer"),
        ("a:/kwargs/~2", "is no task name with a JSON pointer"),
        ("a:/kwargs/" + "x" * 2_000, "is no task name with a JSON pointer"),
        ("a*b:/kwargs/pan", "in a task name * stands at the end only"),
        ("a:/pan", "a pointer begins with /args, /kwargs or /result"),
        ("a:/", "a pointer begins with /args, /kwargs or /result"),
        ("a:/args", "name a place inside, such as /args/*"),
        ("a:/kwargs//pan", "none of them empty"),
        ("a:/kwargs" + "/x" * MAX_SEGMENTS, f"a pointer has 1 to {MAX_SEGMENTS} segments"),
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(text: str, why: str) -> None:
    error = raised_by(parse_places, [text])
    assert isinstance(error, ValueError)
    assert why in str(error)
    assert len(str(error)) < 250


def test_rules_and_names_are_bounded() -> None:
    assert "more than" in str(raised_by(parse_places, ["a:/result"] * (MAX_RULES + 1)))
    assert "more than" in str(raised_by(check_names, ["a"] * (MAX_RULES + 1)))


@pytest.mark.parametrize("name", ["", "-", "___", "x" * 2_000])
def test_a_name_without_a_word_is_refused(name: str) -> None:
    assert "has no word in it" in str(raised_by(check_names, ["pan", name]))


def test_names_with_words_pass() -> None:
    assert raised_by(check_names, ["pan", "-page_token", "größe"]) is None


def test_places_are_hidden_in_the_tasks_that_they_name() -> None:
    value = {"pan": "4111", "rows": [{"no": 1}]}
    assert CHARGE.mask(value, Branch.KWARGS, task_name="shop.charge") == {"pan": MASK, "rows": [{"no": 1}]}
    assert CHARGE.mask(value, Branch.KWARGS, task_name="shop.refund") is value
    assert CHARGE.mask([1, 2], Branch.ARGS, task_name="shop.refund") == [1, MASK]
    assert CHARGE.mask([1, 2], Branch.ARGS, task_name=None) == [1, 2]
    assert CHARGE.mask(value, Branch.RESULT, task_name=None) == {"pan": "4111", "rows": [{"no": MASK}]}
    assert CHARGE.mask({"password": 1}, Branch.RESULT, task_name="sealed") == MASK


@pytest.mark.parametrize(
    ("text", "part", "task_name", "shown"),
    [
        ("{'pan': '4111'}", Branch.KWARGS, "shop.charge", "{'pan': '[masked]'}"),
        ("{'pan': '4111'}", Branch.KWARGS, "shop.refund", "{'pan': '4111'}"),
        ("\"{'password': 111}\"", Branch.KWARGS, None, "{'password': '[masked]'}"),
        ("'whole and untouched token'", Branch.RESULT, "a", "'whole and untouched token'"),
        ("{'x': 1}", Branch.RESULT, "sealed", "'[masked]'"),
    ],
)
def test_texts_are_hidden_alike(text: str, part: Branch, task_name: str | None, shown: str) -> None:
    assert CHARGE.mask_text(text, part, task_name=task_name) == shown


def test_hidden_values_are_told_for_other_texts_of_the_task() -> None:
    value = {"pan": "4111 1111", "password": "hunter22"}
    found = CHARGE.hidden_in_text(str(value), Branch.KWARGS, task_name="shop.charge")
    assert found == ["4111 1111", "hunter22"]
    assert COMMON.hidden_in_text(str({"pan": "4111 1111"}), Branch.KWARGS, task_name="shop.charge") == []


def test_a_quick_look_is_right_when_it_says_no() -> None:
    texts: dict[str, Any] = {"PassWord": True, "Token_count": True, "amount": False}
    assert {text: COMMON.may_hide(text, task_name="a") for text in texts} == texts
    assert CHARGE.may_hide("amount", task_name="shop.charge")


def test_names_of_a_setting_are_added_and_shown() -> None:
    redaction = Redaction(names=["pan", "-page_token"], common_names=True)
    value = {"pan": "1", "page_token": "2", "token": "3"}
    assert redaction.mask(value, Branch.KWARGS, task_name=None) == {"pan": MASK, "page_token": "2", "token": MASK}
    value_shown = Redaction(names=["pan"], common_names=False).mask(value, Branch.KWARGS, task_name=None)
    assert value_shown == {"pan": MASK, "page_token": "2", "token": "3"}
