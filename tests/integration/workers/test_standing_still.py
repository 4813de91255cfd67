"""A worker that starts nothing: over restarts and reconnections, without Redis, and on RabbitMQ."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from bench.rabbitmq import rabbitmq
from tests.embedded import valkey
from tests.gateway_broker import fragile_broker
from tests.integration.workers.plugged import Plant, plant
from tests.patience import stays, wait_for
from tests.rabbitmq import needs_rabbitmq
from tests.worker_process import WorkerProcess, celery_worker

STOP_SECONDS = 20


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Plant]:
    with (
        valkey(tmp_path / "valkey") as url,
        plant(tmp_path, f"{url}/0", result_url=f"{url}/1", redis_url=f"{url}/2") as made,
    ):
        yield made


def test_a_pause_outlives_a_lost_connection_a_kill_and_a_stop_but_not_a_drain(servers: Plant) -> None:
    with servers.worker() as worker:
        servers.order(worker, "celeriac_pause")
        servers.send("nap", "kept", task_id="kept")
        servers.cut_connections()
        _wait_for_log(worker, "Connection to broker lost")
        wait_for(lambda: servers.order(worker, "stats")["celeriac"]["paused"], "the worker to be back, and paused")
        worker.kill()
    with servers.worker() as worker:
        assert servers.order(worker, "stats")["celeriac"]["paused"] is True
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(STOP_SECONDS)
        assert servers.store.get(f"celeriac:paused:{worker.node}") == "1"
        assert not servers.store.exists(f"celeriac:node:{worker.node}")
    with servers.worker() as worker:
        assert servers.order(worker, "stats")["celeriac"]["paused"] is True
        assert servers.runs() == []
        servers.app.control.shutdown(destination=[worker.node])
        worker.process.wait(STOP_SECONDS)
        assert not servers.store.exists(f"celeriac:paused:{worker.node}")
    with servers.worker():
        wait_for(lambda: servers.runs() == ["kept"], "the task to run")


def test_what_a_killed_worker_had_started_is_taken_over_by_its_next_life(servers: Plant) -> None:
    with servers.worker() as worker:
        servers.send("nap", "taken", 60, task_id="taken")
        wait_for(lambda: servers.runs() == ["taken"], "the first run")
        worker.kill()
    with servers.worker():
        servers.send("nap", "taken", 0, task_id="taken").get(timeout=STOP_SECONDS)
    assert servers.runs() == ["taken", "taken"]


def test_without_redis_nothing_starts_and_all_goes_back_until_it_answers(servers: Plant, tmp_path: Path) -> None:
    with fragile_broker(tmp_path / "gate", durable=True) as gate:
        servers.redis_url = gate.broker_url
        with servers.worker() as worker:
            servers.send("nap", "before").get(timeout=STOP_SECONDS)
            gate.freeze()
            kept = [servers.send("nap", f"kept-{number}") for number in range(10)]
            _wait_for_log(worker, "no task is started until it does")
            wait_for(lambda: _unacknowledged(servers) == 0, "the messages to be back in their queue")
            assert stays(lambda: servers.runs() == ["before"], 1.0)
            gate.thaw()
            for result in kept:
                result.get(timeout=STOP_SECONDS)
    assert sorted(servers.runs()) == ["before", *sorted(f"kept-{number}" for number in range(10))]


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("rabbit")
    (folder / "broker").mkdir()
    with (
        rabbitmq(folder / "broker") as broker_url,
        valkey(folder / "valkey") as url,
        plant(folder, broker_url, result_url=f"{url}/1", redis_url=f"{url}/2") as made,
    ):
        yield made


@needs_rabbitmq
def test_on_rabbitmq_a_pause_gives_back_what_was_fetched_and_all_of_it_runs_once(rabbit: Plant) -> None:
    marks = [f"paused-{number}" for number in range(20)]
    with rabbit.worker() as worker:
        results = [rabbit.send("nap", mark, 0.1) for mark in marks]
        wait_for(lambda: marks[1] in rabbit.runs(), "some of them to run")
        assert rabbit.order(worker, "celeriac_pause")["returned"] > 0
        wait_for(lambda: not rabbit.order(worker, "celeriac_drain_status")["active"], "what runs to end")
        ran = len(rabbit.runs())
        wait_for(lambda: _ready(rabbit) == len(marks) - ran, "the others to be ready in their queue")
        assert stays(lambda: len(rabbit.runs()) == ran, 0.5)
        rabbit.order(worker, "celeriac_resume")
        for result in results:
            result.get(timeout=STOP_SECONDS)
    assert sorted(rabbit.runs()) == sorted(marks)


@needs_rabbitmq
def test_on_rabbitmq_without_a_redis_of_ours_the_worker_is_a_stock_one_and_says_so(
    rabbit: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CELERIAC_REDIS_URL", raising=False)
    environment = {"RUNS": str(rabbit.folder / "runs")}
    with celery_worker(
        rabbit.folder,
        rabbit.broker_url,
        result_url=rabbit.result_url,
        app="plugged",
        name="bare",
        environment=environment,
    ) as worker:
        told = rabbit.order(worker, "stats")["celeriac"]
        assert told["capabilities"] == ["max_retries", "terminate", "time_limits", "resize"]
        assert "CELERIAC_REDIS_URL" in rabbit.order(worker, "celeriac_pause")["error"]
        for _ in range(2):
            rabbit.send("nap", "bare", task_id="bare").get(timeout=STOP_SECONDS)
        wait_for(lambda: rabbit.runs().count("bare") == 2, "both runs, which nobody can tell apart")
        assert "CELERIAC_REDIS_URL is not set and the broker is no Redis" in worker.log.read_text()


def _ready(rabbit: Plant) -> int:
    with rabbit.app.connection() as connection:
        return int(connection.default_channel.queue_declare("celery", passive=True).message_count)  # type: ignore[attr-defined]


def _unacknowledged(servers: Plant) -> int:
    with redis.Redis.from_url(servers.broker_url) as broker:
        return int(broker.hlen("unacked"))


def _wait_for_log(worker: WorkerProcess, words: str) -> None:
    wait_for(lambda: words in worker.log.read_text(), f"{words!r} in the log")
