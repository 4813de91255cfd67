"""Hostile requests of every kind: answered as documented, in time, in bounds, with work going on beside them."""

import asyncio
from collections.abc import Sequence

import pytest

from bench.fuzzing.bodies import HEAVY_WORKFLOWS
from bench.fuzzing.volley import Tally, each, fire, material_of, names_of, seed_for
from tests.acceptance.stack import Stack
from tests.fuzz.bounds import ANSWER_SECONDS, SEED, again, bounded
from tests.patience import wait_for

EACH = 15
HEAVY_EACH = 2
CONNECTIONS = 4
END_SECONDS = 60

pytestmark = pytest.mark.timeout(900)


def attack(stack: Stack, names: Sequence[str], *, count: int, connections: int) -> Tally:
    """So many of each kind; bounds hold until what was taken of them has ended."""
    requests = each(names, material_of(stack.url, seed_for(SEED, " ".join(names))), count=count)
    with bounded(stack):
        tally = asyncio.run(fire(stack.url, requests, connections=connections, within=ANSWER_SECONDS))
        wait_for(lambda: not unfinished_workflows(stack), seconds=END_SECONDS)
    assert not tally.complaints, (dict(tally.complaints), again())
    assert tally.sent == count * len(names)
    return tally


def unfinished_workflows(stack: Stack) -> list[str]:
    """Ids of those that are made to be an attack once they run; of others a step may be due in a thousand years."""
    questions = [{"status": status, "limit": 1000} for status in ("PENDING", "RUNNING")]
    rows = [row for each in questions for row in stack.client.get("/workflows", params=each).json()["data"]]
    return [row["workflow_id"] for row in rows if row["name"] in HEAVY_WORKFLOWS]


def test_requests_of_every_kind_are_answered_as_documented(stack: Stack) -> None:
    tally = attack(stack, names_of(heavy=False), count=EACH, connections=CONNECTIONS)
    assert tally.outages == 0, again()


@pytest.mark.parametrize("name", names_of(heavy=True))
def test_a_request_as_large_as_may_be_delays_nobody(stack: Stack, name: str) -> None:
    attack(stack, [name], count=HEAVY_EACH, connections=1)
