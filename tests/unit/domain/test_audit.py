from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.audit import (
    LEFT_OUT,
    MAX_FIELDS_SIZE,
    MAX_ID,
    MAX_REASON,
    MAX_VALUE,
    Action,
    Author,
    Change,
    author_of,
    check_reason,
    cut_id,
)
from domain.principals import LOCAL, Principal, PrincipalKind
from domain.scopes import Scope

NOON = datetime(2026, 11, 28, 13, tzinfo=timezone(timedelta(hours=1)))


def differences(before: dict[str, object], after: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    return Change(Action.KEY_CHANGE, "k", before, after).differences()


def test_every_action_is_a_noun_and_a_verb() -> None:
    for action in Action:
        noun, verb = action.value.split(".")
        assert action.subject_kind == noun
        assert verb


def test_only_what_differs_is_recorded() -> None:
    before: dict[str, object] = {"name": "etl", "rate": 5, "gone": 1}
    after: dict[str, object] = {"name": "etl", "rate": 6, "new": None}
    assert differences(before, after) == ({"rate": 5, "gone": 1}, {"rate": 6, "new": None})
    assert differences(before, before) == ({}, {})


def test_values_are_as_json_has_them() -> None:
    values: dict[str, object] = {
        "at": NOON,
        "scopes": frozenset({Scope.SUBMIT, Scope.READ}),
        "queues": ("a", "b"),
        "filters": {"status": [Scope.READ], 1: 0.5},
        "scope": Scope.ADMIN,
        "is": True,
        "text": "a\x00b",
    }
    assert differences({}, values)[1] == {
        "at": "2026-11-28T12:00:00Z",
        "scopes": ["read", "submit"],
        "queues": ["a", "b"],
        "filters": {"status": ["read"], "1": 0.5},
        "scope": "admin",
        "is": True,
        "text": "a\N{REPLACEMENT CHARACTER}b",
    }


def test_a_value_that_is_too_long_is_left_out_and_the_others_stay() -> None:
    after: dict[str, object] = {"long": "x" * MAX_VALUE, "name": "etl"}
    assert differences({}, after)[1] == {"long": LEFT_OUT, "name": "etl"}
    fits = "x" * (MAX_VALUE - 2)
    assert differences({}, {"fits": fits})[1] == {"fits": fits}


def test_all_values_together_have_a_bound() -> None:
    many = {f"field{number}": "x" * 400 for number in range(200)}
    kept = differences({}, dict(many))[1]
    assert 0 < len(kept) < len(many)
    assert sum(len(str(value)) for value in kept.values()) <= MAX_FIELDS_SIZE


@pytest.mark.parametrize("reason", ["INC-17", "été", "x" * MAX_REASON])
def test_a_line_of_text_is_a_reason(reason: str) -> None:
    check_reason(reason)
    assert reason.isprintable()


@pytest.mark.parametrize(
    ("reason", "flaw"),
    [("", "is empty"), ("  ", "is empty"), ("x" * (MAX_REASON + 1), "more than 200"), ("a\x1bb", "control character")],
)
def test_anything_else_is_none(reason: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw):
        check_reason(reason)


def test_an_author_is_who_makes_the_request() -> None:
    key = Principal(PrincipalKind.API_KEY, "k7", "etl", frozenset({Scope.READ}))
    author = author_of(key, request_id="r", address="10.0.0.1", reason="INC-17")
    assert author == Author("api_key", "k7", "etl", "r", "10.0.0.1", "INC-17")
    assert author.label == key.author == "api_key:k7"
    assert author_of(LOCAL, request_id="r", address=None).label == LOCAL.author == "local"
    odd = Principal(PrincipalKind.OIDC, "oidc", "a subject of that name", frozenset())
    assert author_of(odd, request_id="r", address=None).label == odd.author == "oidc:oidc"


def test_an_id_is_cut_to_what_can_be_stored() -> None:
    assert cut_id("x" * (MAX_ID + 1)) == "x" * MAX_ID
    assert cut_id("a\x00\ud800") == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"


def test_utc_is_what_is_recorded() -> None:
    assert differences({}, {"at": datetime(2026, 1, 1, tzinfo=UTC)})[1] == {"at": "2026-01-01T00:00:00Z"}
