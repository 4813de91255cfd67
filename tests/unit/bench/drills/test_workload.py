from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from bench.drills.workload import BATCH, KINDS, Workload


def client_of(answers: Mapping[str, httpx.Response]) -> httpx.Client:
    """A client that gets these answers by the last part of the path."""
    transport = httpx.MockTransport(lambda request: answers[request.url.path.rpartition("/")[2]])
    return httpx.Client(base_url="http://test", transport=transport)


def test_every_kind_has_its_share() -> None:
    assert sum(kind.per_thousand for kind in KINDS) == 1_000
    expected = Workload(client_of({}), tasks=10_000).expected
    assert expected.total() == 10_000
    assert len(expected) == len({kind.outcome for kind in KINDS})


def test_few_tasks_still_have_one_of_each_kind() -> None:
    assert sorted(map(id, Workload(client_of({}), tasks=1).kinds)) == sorted(map(id, KINDS))


def test_a_cancel_that_is_not_certain_ends_the_drill() -> None:
    ids = [str(number) for number in range(BATCH)]
    answers = {
        "batch": httpx.Response(201, json={"task_ids": ids}),
        "cancel": httpx.Response(202, json={"status": "PENDING"}),
    }
    workload = Workload(client_of(answers), tasks=BATCH)
    with pytest.raises(RuntimeError, match="was not cancelled"):
        workload.submit()


def test_a_task_of_tomorrow_is_due_tomorrow() -> None:
    now = datetime(2026, 1, 24, tzinfo=UTC)
    bodies: list[dict[str, Any]] = [kind.body(now) for kind in KINDS if kind.status == "CANCELLED"]
    assert [body["scheduled_at"] for body in bodies] == ["2026-01-25T00:00:00+00:00"]
