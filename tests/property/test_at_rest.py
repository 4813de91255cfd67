"""Whatever is encrypted comes back, at its place and nowhere else; whatever is changed does not."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.at_rest import MARK, AtRestKeys, CannotOpen
from store.at_rest import PLAIN, AtRest

KEYS = {1: bytes(range(32)), 2: bytes(range(32, 64))}
VAULT = AtRest(AtRestKeys(2, KEYS))
TEXTS = st.one_of(st.text(), st.text().map(MARK.__add__), st.text().map(lambda text: f"{MARK}:{text}"))
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), TEXTS)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8)
VAULTS = st.sampled_from([PLAIN, VAULT])
PLACES = st.tuples(st.sampled_from(["task-1", "task-2"]), st.sampled_from(["args", "result"]), st.sampled_from([1, 2]))


@given(vault=VAULTS, text=TEXTS)
def test_a_text_comes_back(vault: AtRest, text: str) -> None:
    stored = vault.seal(text, "task-1", column="traceback")
    assert vault.open(stored, "task-1", column="traceback") == text
    assert stored != text or not vault.seals


@given(vault=VAULTS, value=VALUES, spaces=st.sampled_from(["", " ", "\n\t"]), is_ascii=st.booleans())
def test_a_json_value_comes_back_in_both_of_its_readings(
    vault: AtRest, value: Any, spaces: str, is_ascii: bool
) -> None:
    stored = vault.seal_json(spaces + json.dumps(value, ensure_ascii=is_ascii), "task-1", column="result")
    assert json.loads(vault.open_json(stored, "task-1", column="result")) == value
    assert vault.open_value(json.loads(stored), "task-1", column="result") == value


@given(text=st.text(), sealed_at=PLACES, opened_at=PLACES)
def test_it_opens_at_its_place_and_nowhere_else(
    text: str, sealed_at: tuple[str, str, int], opened_at: tuple[str, str, int]
) -> None:
    owner, column, number = sealed_at
    stored = AtRest(AtRestKeys(number, KEYS)).seal(text, owner, column=column)
    other_owner, other_column, known = opened_at
    reader = AtRest(AtRestKeys(known, {known: KEYS[known]}))
    if sealed_at == opened_at:
        assert reader.open(stored, other_owner, column=other_column) == text
    else:
        with pytest.raises(CannotOpen, match=r"key 1|key 2|tampered"):
            reader.open(stored, other_owner, column=other_column)


def decoded(stored: str) -> bytes | None:
    try:
        return b64decode(stored.removeprefix(MARK), altchars=b"-_", validate=True)
    except ValueError:
        return None


@given(text=st.text(), data=st.data())
def test_a_changed_character_is_told(text: str, data: st.DataObject) -> None:
    stored = VAULT.seal(text, "task-1", column="args")
    place = data.draw(st.integers(len(MARK), len(stored) - 1))
    # The last characters may hold bits that say nothing.
    other = data.draw(st.sampled_from("AQgw09-_"))
    changed = stored[:place] + other + stored[place + 1 :]
    if decoded(changed) == decoded(stored):
        assert VAULT.open(changed, "task-1", column="args") == text
    else:
        with pytest.raises(CannotOpen, match=r"number 2|does not hold|form"):
            VAULT.open(changed, "task-1", column="args")


@given(text=st.text())
def test_the_same_text_is_never_stored_alike(text: str) -> None:
    assert len({VAULT.seal(text, "task-1", column="args") for _ in range(3)}) == 3
