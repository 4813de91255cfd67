"""Whatever is nested in whatever: what is secret is in nothing that is shown, and all else stays as it was."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.redaction.rules import COMMON, Branch
from domain.redaction.values import MASK, has_mask, hidden_texts, hide_texts

CANARY = "cAnArY-7f3a"
OPEN_NAMES = st.text(max_size=8).map(lambda text: f"n{text}") | st.sampled_from(["token_count", "author", "card_type"])
SECRET_NAMES = st.sampled_from(["password", "api_key", "X-Auth-Token", "clientSecret", "card_number"])
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
canaries = st.recursive(
    st.just(CANARY) | st.text(max_size=5).map(lambda text: f"{text}{CANARY}{text}"),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(OPEN_NAMES, inner, min_size=1, max_size=3),
    max_leaves=4,
)


def is_open(name: str) -> bool:
    value = {name: 1}
    return COMMON.mask(value, Branch.KWARGS, task_name=None) is value


open_names = OPEN_NAMES.filter(is_open)
objects = st.recursive(
    plain | st.dictionaries(SECRET_NAMES, canaries, min_size=1, max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            lambda kept, hidden: kept | hidden,
            st.dictionaries(open_names, inner, max_size=4),
            st.dictionaries(SECRET_NAMES, canaries, max_size=1),
        )
    ),
    max_leaves=20,
)


def shown(value: Any) -> Any:
    return COMMON.mask(value, Branch.KWARGS, task_name="any.task")


@given(objects)
def test_no_secret_is_in_what_is_shown_and_nothing_else_changes(value: Any) -> None:
    masked = shown(value)
    assert CANARY not in json.dumps(masked)
    assert (masked is value) == (CANARY not in json.dumps(value))
    assert shown(masked) == masked
    assert_alike(value, masked)


def assert_alike(value: Any, masked: Any) -> None:
    if masked == MASK:
        return
    assert type(masked) is type(value)
    if isinstance(value, dict):
        assert masked.keys() == value.keys()
        for name, inner in value.items():
            assert_alike(inner, masked[name])
    elif isinstance(value, list):
        assert len(masked) == len(value)
        for ours, theirs in zip(value, masked, strict=True):
            assert_alike(ours, theirs)
    else:
        assert masked == value


@given(objects, st.integers(1, 400))
def test_json_cut_anywhere_tells_no_secret_and_whole_says_the_same_as_the_value(value: Any, cut: int) -> None:
    text = json.dumps(value)
    assert CANARY not in COMMON.mask_text(text[:cut], Branch.KWARGS, task_name=None)
    whole = COMMON.mask_text(text, Branch.KWARGS, task_name=None)
    assert CANARY not in whole
    if not isinstance(value, str):
        assert json.loads(whole) == shown(value)


@given(objects)
def test_what_python_writes_tells_no_secret(value: Any) -> None:
    assert CANARY not in COMMON.mask_text(repr(value), Branch.KWARGS, task_name=None)


@given(objects, st.text(max_size=20))
def test_a_text_that_repeats_secrets_tells_none_of_them(value: Any, between: str) -> None:
    hidden = hidden_texts(value, shown(value))
    text = between.join([*hidden, repr(value)])
    assert CANARY not in hide_texts(text, hidden)


@given(st.text(alphabet="'\"\\{}[]():=, passwordtoken1\n", max_size=60))
def test_any_text_can_be_read_and_only_values_are_replaced(text: str) -> None:
    masked = COMMON.mask_text(text, Branch.KWARGS, task_name=None)
    if masked != text:
        assert MASK in masked
        assert not has_mask([masked]) or masked == MASK
