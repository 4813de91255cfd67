"""What is sealed comes out as it was, and only as it was, only where it belongs."""

from typing import Any

import pytest
from celeriac_worker.payloads import PayloadError, PayloadKeys
from hypothesis import given
from hypothesis import strategies as st

KEYS = PayloadKeys({"k1": bytes(range(32))})
OTHERS = PayloadKeys({"k1": bytes(range(1, 33))})
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=json_values, bound_to=st.binary(max_size=100))
def test_what_is_sealed_comes_out_as_it_was(value: Any, bound_to: bytes) -> None:
    assert KEYS.open(KEYS.seal(value, bound_to), bound_to) == value


@given(value=json_values, bound_to=st.binary(max_size=100), elsewhere=st.binary(max_size=100))
def test_it_opens_nowhere_else_and_with_no_other_key(value: Any, bound_to: bytes, elsewhere: bytes) -> None:
    sealed = KEYS.seal(value, bound_to)
    with pytest.raises(PayloadError):
        OTHERS.open(sealed, bound_to)
    if elsewhere != bound_to:
        with pytest.raises(PayloadError):
            KEYS.open(sealed, elsewhere)


@given(st.data())
def test_no_character_of_it_can_be_changed(data: st.DataObject) -> None:
    sealed = KEYS.seal("4711", b"here")
    place = data.draw(st.integers(0, len(sealed["ct"]) - 1))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda letter: letter != sealed["ct"][place]))
    changed = sealed["ct"][:place] + other + sealed["ct"][place + 1 :]
    with pytest.raises(PayloadError):
        KEYS.open({**sealed, "ct": changed}, b"here")


def test_each_character_counts() -> None:
    sealed = KEYS.seal("4711", b"here")
    for place, letter in enumerate(sealed["ct"]):
        other = ALPHABET[(ALPHABET.index(letter) + 1) % len(ALPHABET)]
        with pytest.raises(PayloadError):
            KEYS.open({**sealed, "ct": sealed["ct"][:place] + other + sealed["ct"][place + 1 :]}, b"here")
