"""Pickles are read as data alone: what a worker replies is understood, and nothing of anybody's is run."""

import os
import pickle
import pickletools
from collections import Counter, OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import pickled_data
from gateway.pickled_data import MOST_BYTES, MOST_PARTS, NotPlainError, read

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text()
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
)


class Armed:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._file),)


@given(DATA, st.sampled_from(PROTOCOLS))
def test_data_are_what_python_itself_reads(data: Any, protocol: int) -> None:
    assert read(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_count_is_a_dict_and_what_stands_twice_is_there_twice(protocol: int) -> None:
    told = ["x"]
    stats = {"total": Counter({"shop.add": 3}), "order": OrderedDict(a=1), "twice": [told, told]}
    found = read(pickle.dumps(stats, protocol))
    assert found == {"total": {"shop.add": 3}, "order": {"a": 1}, "twice": [["x"], ["x"]]}
    assert type(found["total"]) is dict


def test_what_holds_itself_twice_forty_times_over_is_refused() -> None:
    data: list[Any] = []
    for _ in range(40):
        data = [data, data]
    with pytest.raises(NotPlainError, match="too many parts"):
        read(pickle.dumps(data))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "made"
    with pytest.raises(NotPlainError):
        read(pickle.dumps({"ok": Armed(file)}, protocol))
    assert not file.exists()
    pickle.loads(pickle.dumps(Armed(file), protocol))
    assert file.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no pickle",
        pickle.dumps({"a": 1})[:-1],
        pickle.dumps(datetime(2026, 1, 1, tzinfo=UTC)),
        pickle.dumps({1, 2}),
        pickle.dumps(print),
        pickle.dumps({(1,): 2}),
        pickle.dumps("x" * MOST_BYTES),
        b"]" + b"0]" * MOST_PARTS + b".",
        # A tuple so deep that its hash would end the process, as the key of a dict.
        b"}(" + b")" + b"\x85" * 200_000 + b"Nu.",
        # Items for what is no dict, a call of what is no name, a mark that is not there, a memory that nobody filled.
        b"](NNu.",
        b"N)R.",
        b"a.",
        b"h\x07.",
        # A place in memory that would take gigabytes to reach.
        b"Nr\xff\xff\xff\x7fNb.",
    ],
)
def test_whatever_else_it_is_it_is_refused(body: bytes) -> None:
    with pytest.raises(NotPlainError):
        read(body)


def test_only_opcodes_of_data_are_known() -> None:
    """So that a new one of Python's is refused until somebody has read what it does."""
    dangerous = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
    assert dangerous <= {opcode.name for opcode in pickletools.opcodes}
    for opcode in pickletools.opcodes:
        if opcode.name in dangerous:
            with pytest.raises(NotPlainError):
                read(b"(N)" + opcode.code.encode("latin-1") + b"a\nb\n\x01\x01\x01\x01.")


@pytest.mark.parametrize(("spare", "is_read"), [(0, True), (1, False)])
def test_a_pickle_may_have_only_so_many_bytes(spare: int, is_read: bool) -> None:
    around = len(pickle.dumps("x" * 300, protocol=2)) - 300
    body = pickle.dumps("x" * (MOST_BYTES - around + spare), protocol=2)
    assert len(body) == MOST_BYTES + spare
    if is_read:
        assert len(read(body)) == MOST_BYTES - around
    else:
        with pytest.raises(NotPlainError, match="too large"):
            read(body)


def test_a_pickle_may_have_only_so_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled_data, "MOST_PARTS", 10)
    assert read(b"](" + b"N" * 7 + b"e.") == [None] * 7
    with pytest.raises(NotPlainError, match="too many parts"):
        read(b"](" + b"N" * 8 + b"e.")


@pytest.mark.parametrize("keys", [{None: 1}, {True: 1}, {1.5: 1}, {"a": 1}])
def test_keys_may_be_whatever_json_makes_text_of(keys: dict[Any, int]) -> None:
    assert read(pickle.dumps(keys)) == keys


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"cos\nsystem\n.", "a name"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "a name"),
        (b"ccollections\nCounter\n(NNtR.", "a call"),
        (b"ccollections\nCounter\n(NtR.", "out of order"),
        (b"NN.", "ValueError"),
        (b"(NN.", "ValueError"),
        (b"}(N).", "ValueError"),
        (b"0.", "POP"),
    ],
)
def test_why_it_is_refused_holds_nothing_of_it(body: bytes, why: str) -> None:
    with pytest.raises(NotPlainError) as refusal:
        read(body)
    assert str(refusal.value) == why
