"""What a worker with the plugin does with the deliveries that it gets, in each kind of pool."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.embedded import valkey
from tests.integration.workers.plugged import Plant, plant
from tests.patience import PATIENCE_SECONDS, stays, wait_for
from tests.worker_process import WorkerProcess

NO_GEVENT = pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")
POOLS = ["prefork", "threads", "solo", pytest.param("gevent", marks=NO_GEVENT)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("requests")
    with (
        valkey(folder / "valkey") as url,
        plant(folder, f"{url}/0", result_url=f"{url}/1", redis_url=f"{url}/2") as made,
    ):
        yield made


@pytest.fixture(scope="module", params=POOLS)
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def worker(servers: Plant, pool: str) -> Iterator[WorkerProcess]:
    with servers.worker(pool) as worker:
        yield worker


def test_every_delivery_of_ours_is_written_down_from_start_to_end(
    servers: Plant, worker: WorkerProcess, pool: str
) -> None:
    result = servers.send("nap", f"{pool}-written")
    boot_id = servers.order(worker, "stats")["celeriac"]["boot_id"]
    key = f"celeriac:run:{result.id}:0:1"
    finished = f"{worker.node}|{boot_id}|finished"
    wait_for(lambda: servers.store.get(key) == finished, "the end in Redis")
    assert servers.store.get(f"celeriac:node:{worker.node}") == boot_id


def test_a_cancelled_task_ends_revoked_and_never_runs(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    for number, ours in enumerate((True, False)):
        task_id = f"{pool}-cancelled-{number}"
        servers.store.set(f"celeriac:cancelled:{task_id}", "1")
        cancelled = servers.send("nap", task_id, task_id=task_id, ours=ours)
        wait_for(lambda: str(cancelled.state) == "REVOKED", "REVOKED in the result backend")  # noqa: B023
        assert servers.store.exists(f"celeriac:run:{task_id}:0:1") == 0
    follower = servers.send("nap", f"{pool}-after")
    follower.get(timeout=PATIENCE_SECONDS)
    assert not [mark for mark in servers.runs() if mark.startswith(f"{pool}-cancelled")]
    wait_for(lambda: _unacknowledged(servers) == 0, "the follower to be acknowledged, which is after its result")


def test_a_second_copy_does_not_run_beside_the_first_nor_after_it(
    servers: Plant, worker: WorkerProcess, pool: str
) -> None:
    mark = f"{pool}-twice"
    first = servers.send("early_nap", mark, 0.5, task_id=mark)
    servers.send("early_nap", mark, 0.5, task_id=mark)
    first.get(timeout=PATIENCE_SECONDS)
    servers.send("early_nap", mark, 0.5, task_id=mark)
    wait_for(lambda: _unacknowledged(servers) == 0 and not _waiting(servers), "all copies to be gone")
    assert servers.runs().count(mark) == 1


def test_a_copy_of_a_late_acknowledged_task_waits_until_the_first_has_ended(
    servers: Plant, worker: WorkerProcess, pool: str
) -> None:
    if pool != "prefork":
        pytest.skip("5 s a pool, and all pools do it alike")
    mark = f"{pool}-waits"
    first = servers.send("nap", mark, 1.0, task_id=mark)
    servers.send("nap", mark, 1.0, task_id=mark)
    wait_for(lambda: servers.order(worker, "celeriac_drain_status")["scheduled"] == [mark], "the copy to wait")
    assert _unacknowledged(servers) == 2, "were the worker killed, both would come again"
    first.get(timeout=PATIENCE_SECONDS)
    wait_for(lambda: _unacknowledged(servers) == 0, "the copy to be dropped")
    assert servers.runs().count(mark) == 1


def test_what_others_publish_runs_as_often_as_they_send_it(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    mark = f"{pool}-foreign"
    for _ in range(2):
        servers.send("nap", mark, task_id=mark, ours=False).get(timeout=PATIENCE_SECONDS)
    wait_for(lambda: servers.runs().count(mark) == 2, "both runs")
    assert servers.store.keys(f"celeriac:run:{mark}:*") == []


def test_a_task_that_puts_its_message_back_runs_again(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    if pool != "prefork":
        pytest.skip("Celery's other pools lose the exception that asks for it")
    mark = f"{pool}-rejects"
    servers.send("rejects_once", mark).get(timeout=PATIENCE_SECONDS)
    assert servers.runs().count(mark) == 2


def test_a_task_that_kills_its_process_is_retried_up_to_the_limit_of_its_submission(
    servers: Plant, worker: WorkerProcess, pool: str
) -> None:
    if pool != "prefork":
        pytest.skip("only prefork runs tasks in processes of their own")
    marks = {f"{pool}-dies-{ceiling}": ceiling for ceiling in (0, 1)}
    for mark, ceiling in marks.items():
        dead = servers.send("dies", mark, headers={"celeriac_max_retries": ceiling})
        wait_for(lambda: dead.state == "FAILURE", "FAILURE")  # noqa: B023
    assert [servers.runs().count(mark) for mark in marks] == [1, 2]


def test_a_pause_gives_back_what_was_fetched_and_all_of_it_runs_once_after(
    servers: Plant, worker: WorkerProcess, pool: str
) -> None:
    marks = [f"{pool}-paused-{number}" for number in range(20)]
    results = [servers.send("nap", mark, 0.1) for mark in marks]
    wait_for(lambda: marks[1] in servers.runs(), "some of them to run")
    answer = servers.order(worker, "celeriac_pause")
    started = len(servers.runs())
    assert answer["paused"] is True
    assert servers.store.get(f"celeriac:paused:{worker.node}") == "1"
    wait_for(lambda: _unacknowledged(servers) == 0, "what runs to end")
    ran = len([mark for mark in servers.runs() if mark in marks])
    assert _waiting(servers) == len(marks) - ran
    assert servers.order(worker, "celeriac_drain_status") == {
        "paused": True,
        "active": [],
        "reserved": [],
        "scheduled": [],
        "acks_late": True,
    }
    assert stays(lambda: len(servers.runs()) <= started + 1, 0.5), "one may have passed the gate before the answer"

    assert servers.order(worker, "celeriac_resume") == {"paused": False}
    for result in results:
        result.get(timeout=PATIENCE_SECONDS)
    assert sorted(mark for mark in servers.runs() if mark in marks) == sorted(marks)
    assert servers.store.exists(f"celeriac:paused:{worker.node}") == 0


def test_a_task_with_a_countdown_goes_back_at_a_pause_too(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    mark = f"{pool}-countdown"
    later = servers.send("nap", mark, countdown=1)
    wait_for(lambda: servers.order(worker, "celeriac_drain_status")["scheduled"] == [later.id], "it to be held")
    assert servers.order(worker, "celeriac_pause") == {"paused": True, "returned": 1}
    wait_for(lambda: _waiting(servers) == 1 and _unacknowledged(servers) == 0, "it to be back in its queue")
    assert stays(lambda: mark not in servers.runs(), 1.2)
    servers.order(worker, "celeriac_resume")
    later.get(timeout=PATIENCE_SECONDS)
    assert servers.runs().count(mark) == 1


def test_the_key_alone_pauses_and_resumes(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    key, mark = f"celeriac:paused:{worker.node}", f"{pool}-by-key"
    servers.store.set(key, "1")
    kept = servers.send("nap", mark)
    wait_for(lambda: servers.order(worker, "celeriac_drain_status")["paused"], "the pause to be seen")
    assert stays(lambda: mark not in servers.runs(), 0.5)
    servers.store.delete(key)
    kept.get(timeout=PATIENCE_SECONDS)
    assert servers.runs().count(mark) == 1


def test_stats_and_heartbeats_tell_what_the_worker_is(servers: Plant, worker: WorkerProcess, pool: str) -> None:
    told = servers.order(worker, "stats")["celeriac"]
    assert {"cancel_gate", "single_start", "pause", "drain", "max_retries"} <= set(told["capabilities"])
    assert ("terminate" in told["capabilities"]) is (pool in ("prefork", "gevent"))
    assert ("resize" in told["capabilities"]) is (pool in ("prefork", "gevent"))
    assert "ten_priorities" not in told["capabilities"]
    heard: list[dict[str, object]] = []
    with servers.app.connection() as connection:
        receiver = servers.app.events.Receiver(connection, handlers={"worker-heartbeat": heard.append})
        for _ in receiver.itercapture(limit=None, timeout=PATIENCE_SECONDS, wakeup=False):
            if heard:
                break
    facts = heard[0]["celeriac"]
    assert isinstance(facts, dict)
    assert {key: facts[key] for key in ("version", "protocol", "boot_id", "paused")} == {
        key: told[key] for key in ("version", "protocol", "boot_id", "paused")
    }
    assert (facts["pool"], facts["concurrency"]) == (pool, 1 if pool == "solo" else 2)
    assert 0 < facts["memory_percent"] < 100


def _waiting(servers: Plant) -> int:
    with servers.app.connection() as connection:
        return int(connection.default_channel._size("celery"))  # type: ignore[attr-defined]


def _unacknowledged(servers: Plant) -> int:
    with servers.app.connection() as connection:
        return int(connection.default_channel.client.hlen("unacked"))  # type: ignore[attr-defined]
