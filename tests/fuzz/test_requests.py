"""Hostile requests of every kind: answered as documented, in time, in bounds, with work going on beside them."""

import asyncio
from collections.abc import Iterator

import pytest

from bench.fuzzing.requests import FuzzedRequest
from bench.fuzzing.volley import Tally, each, fire, material_of, names_of, seed_for
from tests.acceptance.stack import Stack
from tests.fuzz.bounds import ANSWER_SECONDS, SEED, again, bounded

EACH = 25
HEAVY_EACH = 2
CONNECTIONS = 4

pytestmark = pytest.mark.timeout(240)


def attack(stack: Stack, requests: Iterator[tuple[str, FuzzedRequest]], *, connections: int) -> Tally:
    with bounded(stack):
        tally = asyncio.run(fire(stack.url, requests, connections=connections, within=ANSWER_SECONDS))
    assert not tally.complaints, (dict(tally.complaints), again())
    return tally


def test_requests_of_every_kind_are_answered_as_documented(stack: Stack) -> None:
    names = names_of(heavy=False)
    tally = attack(stack, each(names, material_of(stack.url, seed_for(SEED, "all")), EACH), connections=CONNECTIONS)
    assert tally.sent == EACH * len(names)
    assert tally.outages == 0, again()


@pytest.mark.parametrize("name", names_of(heavy=True))
def test_a_request_as_large_as_may_be_delays_nobody(stack: Stack, name: str) -> None:
    tally = attack(stack, each([name], material_of(stack.url, seed_for(SEED, name)), HEAVY_EACH), connections=1)
    assert tally.sent == HEAVY_EACH
