"""What a worker tells of itself: what Celeriac may rely on there, and no more."""

from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import announcement
from celeriac_worker.announcement import Announcement
from celeriac_worker.version import OLDEST_PROTOCOL, PROTOCOL, __version__
from celery import signals
from celery.worker import state

STOCK = ["max_retries"]
WITH_PROCESSES = ["max_retries", "terminate", "time_limits", "resize"]
GATE = ["pause", "drain", "cancel_gate", "single_start"]


def pool_of(module: str) -> Any:
    return type("TaskPool", (), {"__module__": f"celery.concurrency.{module}", "num_processes": 4})()


def worker(
    pool: str = "prefork",
    *,
    node: Any = None,
    autoscaler: Any = None,
    driver: str = "redis",
    steps: Any = None,
    most: int | None = None,
) -> Any:
    options = {} if steps is None else {"priority_steps": steps}
    conf = SimpleNamespace(broker_transport_options=options, task_queue_max_priority=most)
    return SimpleNamespace(
        pool=pool_of(pool),
        autoscaler=autoscaler,
        celeriac=node,
        app=SimpleNamespace(conf=conf),
        consumer=SimpleNamespace(connection=SimpleNamespace(transport=SimpleNamespace(driver_type=driver))),
    )


@pytest.fixture(autouse=True)
def _software(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SOFTWARE_INFO", {})


def told(of: Any) -> dict[str, Any]:
    document: dict[str, Any] = Announcement(of).info(of)["celeriac"]
    return document


@pytest.mark.parametrize(
    ("pool", "capabilities"),
    [
        ("prefork", WITH_PROCESSES),
        ("gevent", WITH_PROCESSES),
        ("thread", STOCK),
        ("eventlet", STOCK),
        ("solo", STOCK),
    ],
)
def test_a_pool_is_relied_on_for_what_it_can_do(pool: str, capabilities: list[str]) -> None:
    assert told(worker(pool))["capabilities"] == capabilities


def test_a_pool_that_scales_itself_is_not_resized_from_outside() -> None:
    assert told(worker(autoscaler=object()))["capabilities"] == ["max_retries", "terminate", "time_limits"]


def test_only_a_worker_with_a_redis_can_be_paused_and_drained() -> None:
    node = SimpleNamespace(boot_id="b1", paused=True)
    with_gate, without = told(worker("solo", node=node)), told(worker("solo"))
    assert (with_gate["capabilities"], with_gate["boot_id"], with_gate["paused"]) == (STOCK + GATE, "b1", True)
    assert (without["capabilities"], without["boot_id"], without["paused"]) == (STOCK, None, False)


@pytest.mark.parametrize(
    ("steps", "ten"),
    [
        (None, False),
        ([0, 3, 6, 9], False),
        (list(range(10)), True),
        (list(range(9)), False),
        (list(range(11)), False),
        ([*range(9), 8], False),
        (range(10), True),
    ],
)
def test_ten_priorities_on_redis_are_ten_different_steps(steps: Any, ten: bool) -> None:
    document = told(worker("solo", steps=steps))
    assert ("ten_priorities" in document["capabilities"]) is ten
    assert document["priority_steps"] == list([0, 3, 6, 9] if steps is None else steps)


@pytest.mark.parametrize(("most", "ten"), [(None, False), (0, False), (9, False), (10, True), (255, True)])
def test_ten_priorities_on_rabbitmq_are_queues_that_have_them(most: int | None, ten: bool) -> None:
    capabilities = told(worker("solo", driver="amqp", steps=list(range(10)), most=most))["capabilities"]
    assert ("ten_priorities" in capabilities) is ten


def test_versions_are_told_and_that_ids_are() -> None:
    document = told(worker())
    assert {name: document[name] for name in ("version", "protocol", "oldest_protocol", "tells_ids")} == {
        "version": __version__,
        "protocol": PROTOCOL,
        "oldest_protocol": OLDEST_PROTOCOL,
        "tells_ids": True,
    }


def heartbeat() -> dict[str, Any]:
    """What the last one said of Celeriac's plugin."""
    software: dict[str, Any] = state.SOFTWARE_INFO
    document: dict[str, Any] = software["celeriac"]
    return document


def test_each_heartbeat_says_how_the_worker_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    load = SimpleNamespace(cpu_percent=lambda: 12.5, memory_percent=lambda: None)
    monkeypatch.setattr(announcement, "HostLoad", lambda: load)
    node = SimpleNamespace(boot_id="b1", paused=False)
    of = worker("thread", node=node)
    announced = Announcement(of)
    signals.heartbeat_sent.send(sender=object())
    first = heartbeat()
    assert (first["cpu_percent"], first["memory_percent"], first["paused"]) == (12.5, None, False)
    assert (first["pool"], first["concurrency"], first["boot_id"]) == ("threads", 4, "b1")
    node.paused = True
    of.pool.num_processes = 2
    announced.refresh_heartbeat()
    second = heartbeat()
    assert (second["paused"], second["concurrency"]) == (True, 2)


@pytest.mark.parametrize(
    ("release", "warned"),
    [((5, 2, 9), True), ((5, 3, 0), False), ((5, 7, 1), False), ((5, 8, 0), True), ((6, 0, 0), True)],
)
def test_a_release_of_celery_that_nobody_has_tried_is_warned_of_and_works_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, release: tuple[int, ...], warned: bool
) -> None:
    monkeypatch.setattr(announcement, "VERSION", release)
    assert told(worker())["version"] == __version__
    assert ("was not tried with Celery" in caplog.text) is warned
