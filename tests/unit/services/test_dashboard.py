from typing import Any

import pytest
from structlog.testing import capture_logs

from services import dashboard as module
from services.dashboard import ask_depths, read_figures
from tests.fakes.engine import FakeEngine
from tests.fakes.gateway import FakeBroker, FakeQueueReader


class Frozen:
    """A broker that does not answer."""

    async def depths(self, names: Any) -> dict[str, int]:
        raise TimeoutError("amqp://user:s3cret@h")


async def test_depths_are_what_the_broker_says() -> None:
    assert await ask_depths(FakeQueueReader(FakeBroker()), ["a", "b"]) == {"a": 0, "b": 0}
    assert await ask_depths(FakeQueueReader(FakeBroker()), []) == {}


@pytest.mark.parametrize(
    ("queues", "error"),
    [(FakeQueueReader(FakeBroker(available=False)), "BrokerUnavailable"), (Frozen(), "TimeoutError")],
)
async def test_a_broker_that_does_not_say_is_one_log_line_and_no_error(queues: Any, error: str) -> None:
    with capture_logs() as logs:
        assert await ask_depths(queues, ["a"]) is None
    assert logs == [{"event": "queue_depths_not_read", "log_level": "warning", "error": error}]


class Store:
    """What Postgres knows of the whole."""

    async def count_workers(self, _: Any) -> tuple[int, int]:
        return 8, 3

    async def count_undispatched(self, _: Any) -> tuple[int, int]:
        return 5, 2

    async def list_queue_names(self, _: Any, *, limit: int) -> list[str]:
        return ["payments", "celery", "a"]

    async def count_totals(self, _: Any) -> dict[Any, int]:
        return {}

    async def count_held(self, _: Any) -> dict[str, int]:
        return {"payments": 1}


@pytest.mark.parametrize(
    ("default", "names"),
    [("celery", ["a", "celery", "payments"]), ("b", ["a", "b", "celery", "payments"])],
)
async def test_the_default_queue_is_among_the_queues_and_once(
    monkeypatch: pytest.MonkeyPatch, default: str, names: list[str]
) -> None:
    for name in ("nodes", "for_dashboard"):
        monkeypatch.setattr(module, name, Store())
    async with FakeEngine().connect() as connection:
        figures = await read_figures(connection, default_queue=default)
    assert figures.queue_names == names
    assert (figures.active_workers, figures.total_workers, figures.due, figures.parked) == (3, 8, 5, 2)
