import asyncio
import json

import pytest

from api.bodies import reading
from api.bodies.reading import LARGE_BYTES, MAX_VALUES, Budget
from domain.errors import InvalidRequest, Overloaded
from tests.patience import until


@pytest.fixture
def _few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_VALUES", 1_000)


def padded(body: bytes) -> bytes:
    """Large, so that its values are counted."""
    return body + b" " * LARGE_BYTES


@pytest.mark.usefixtures("_few_values")
@pytest.mark.parametrize(
    "values",
    [
        ["a, b: [c] {d}" * 500],
        ['say "a, b" \\ and ",,,"' * 300, 1, 2],
        [{"k,,,": ":::" * 900}] * 100,
        [0] * 900,
        ["ä,\u2c2c\u2222" * 900],
    ],
)
def test_what_stands_in_texts_is_no_value(values: list[object]) -> None:
    for ascii_only in (True, False):
        body = json.dumps(values, ensure_ascii=ascii_only).encode()
        assert reading._parse(padded(body)) == values


@pytest.mark.usefixtures("_few_values")
@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"0"] * 1_100) + b"]",
        b"[" * 1_100 + b"]" * 1_100,
        b'{"a":' * 600 + b"1" + b"}" * 600,
        b'{"' + b'":0,"'.join(b"%d" % number for number in range(600)) + b'":0}',
        b'["",' + b",".join([b"0"] * 1_100) + b"]",
        b'["\\\\",' + b",".join([b"0"] * 1_100) + b"]",
        b'["\\"",' + b",".join([b"0"] * 1_100) + b"]",
        ("[" + ",".join(["0"] * 1_100) + ',"\u2222"]').encode("utf-16"),
        ("[" + ",".join(["0"] * 1_100) + "]").encode("utf-32"),
    ],
)
def test_more_values_than_the_bound_are_refused_before_they_are_made(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="holds more than 1,000 JSON values"):
        reading._parse(padded(body))


def test_a_text_without_an_end_is_looked_over_once() -> None:
    """Each quote in it may be the beginning of a text without an end: searched from each, this would take days."""
    body = b"[" + b"0," * MAX_VALUES + b'"' + b'\\"' * 2_000_000
    with pytest.raises(InvalidRequest):
        reading._parse(body)
    with pytest.raises(InvalidRequest, match="Unterminated string"):
        reading._parse(b'["' + b'\\",:' * 2_000_000)


def test_long_numbers_are_read_as_ever() -> None:
    assert reading._parse(b"[" + b"7" * 4_000 + b", 1.5, -3]") == [int("7" * 4_000), 1.5, -3]
    with pytest.raises(InvalidRequest):
        reading._parse(b"7" * 5_000)


async def test_a_budget_is_given_to_those_in_line_in_their_order() -> None:
    budget = Budget(10)
    done: list[str] = []

    async def use(name: str, size: int, *, release: asyncio.Event) -> None:
        async with budget.hold(size):
            done.append(name)
            await release.wait()

    first, others = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(use("a", 8, release=first))
        await until(lambda: done == ["a"])
        for name, size in (("b", 9), ("c", 1), ("d", 1)):
            group.create_task(use(name, size, release=others))
        await asyncio.sleep(0)
        assert done == ["a"]  # nobody overtakes: else a large one might wait for ever
        first.set()
        await until(lambda: done == ["a", "b", "c"])
        others.set()
    assert done == ["a", "b", "c", "d"]
    async with budget.hold(10):
        pass


async def test_who_has_waited_too_long_or_behind_too_many_is_told_to_come_again() -> None:
    budget = Budget(10, max_waiting=1, wait_seconds=0.05)
    async with budget.hold(10):
        with pytest.raises(Overloaded):
            async with budget.hold(1):
                pass
        waiting = asyncio.create_task(_take_and_give(budget, 1))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await _take_and_give(budget, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await _take_and_give(budget, 10)


async def _take_and_give(budget: Budget, size: int) -> None:
    async with budget.hold(size):
        pass
