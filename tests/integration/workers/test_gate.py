"""What the gate answers and writes down, on a real Valkey and without a worker."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celeriac_worker.gate import Admission, Gate, GateUnreachableError

from tests.gateway_broker import fragile_broker

RUN = "celeriac:run:t:0:1"


@pytest.fixture
def store(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as store:
        yield store


@pytest.fixture
def gates(redis_url: str) -> Iterator[tuple[Gate, Gate]]:
    """Two workers: `here` is alive, `there` has not said so yet."""
    here, there = Gate(redis_url, "celery@here", boot_id="boot-1"), Gate(redis_url, "celery@there", boot_id="boot-2")
    here.show_life()
    yield here, there
    here.close()
    there.close()


def test_a_start_is_written_down_for_longer_than_a_message_can_come_again(
    gates: tuple[Gate, Gate], store: "redis.Redis"
) -> None:
    assert gates[0].may_start("t", RUN) is Admission.GO
    assert store.get(RUN) == "celery@here|boot-1|started"
    assert 25 * 3600 < store.ttl(RUN) <= 26 * 3600


def test_a_cancelled_or_paused_task_does_not_start_and_leaves_no_trace(
    gates: tuple[Gate, Gate], store: "redis.Redis"
) -> None:
    here, _ = gates
    store.set("celeriac:paused:celery@here", "1")
    assert here.may_start("t", RUN) is Admission.PAUSED
    store.set("celeriac:cancelled:t", "1")
    assert here.may_start("t", RUN) is Admission.CANCELLED
    assert here.may_start("t", None) is Admission.CANCELLED
    assert not store.exists(RUN)


def test_what_others_published_may_start_as_often_as_it_comes(gates: tuple[Gate, Gate]) -> None:
    assert [gates[0].may_start("t", None) for _ in range(2)] == [Admission.GO, Admission.GO]


def test_a_second_start_is_refused_while_the_first_runs_and_after_it(gates: tuple[Gate, Gate]) -> None:
    here, there = gates
    here.may_start("t", RUN)
    assert there.may_start("t", RUN) is Admission.RUNNING
    here.finish([RUN])
    assert [gate.may_start("t", RUN) for gate in gates] == [Admission.FINISHED, Admission.FINISHED]
    assert there.may_start("t", "celeriac:run:t:1:1") is Admission.GO, "a retry is a start of its own"


def test_the_next_boot_of_a_node_takes_over_what_the_last_one_had_started(
    gates: tuple[Gate, Gate], redis_url: str, store: "redis.Redis"
) -> None:
    gates[0].may_start("t", RUN)
    reborn = Gate(redis_url, "celery@here", boot_id="boot-3")
    reborn.show_life()
    assert gates[1].may_start("t", RUN) is Admission.GO
    reborn.close()


def test_the_start_of_a_silent_worker_is_taken_over_only_by_one_who_has_waited(gates: tuple[Gate, Gate]) -> None:
    here, there = gates
    there.may_start("t", RUN)
    assert here.may_start("t", RUN) is Admission.SILENT
    there.show_life()
    assert here.may_start("t", RUN, silence_is_death=True) is Admission.RUNNING
    there.say_goodbye(forget_pause=False)
    assert here.may_start("t", RUN, silence_is_death=True) is Admission.GO


def test_an_end_that_comes_after_a_takeover_changes_nothing(gates: tuple[Gate, Gate], store: "redis.Redis") -> None:
    here, there = gates
    there.may_start("t", RUN)
    here.may_start("t", RUN, silence_is_death=True)
    there.finish([RUN])
    there.release([RUN])
    assert store.get(RUN) == "celery@here|boot-1|started"


def test_a_released_start_is_free_for_anybody(gates: tuple[Gate, Gate]) -> None:
    here, there = gates
    here.may_start("t", RUN)
    here.release([RUN])
    assert there.may_start("t", RUN) is Admission.GO


def test_more_ends_than_fit_in_one_call_are_all_written_down(gates: tuple[Gate, Gate], store: "redis.Redis") -> None:
    keys = [f"celeriac:run:t:{retries}:1" for retries in range(1100)]
    for key in keys:
        gates[0].may_start("t", key)
    gates[0].finish(keys)
    assert {str(value).rsplit("|", 1)[1] for value in store.mget(keys)} == {"finished"}


def test_a_pause_is_seen_with_the_next_sign_of_life_and_forgotten_at_a_goodbye(
    gates: tuple[Gate, Gate], store: "redis.Redis"
) -> None:
    here, _ = gates
    here.set_paused(True)
    assert here.is_paused()
    assert here.show_life() is True
    assert 0 < store.ttl("celeriac:node:celery@here") <= 10
    here.say_goodbye(forget_pause=True)
    assert store.keys("celeriac:*") == []


def test_a_silent_redis_is_given_up_within_its_second_and_asked_again_later(tmp_path: Path) -> None:
    with fragile_broker(tmp_path) as server:
        gate = Gate(server.broker_url, "celery@here", boot_id="boot-1")
        gate.may_start("t", None)
        server.freeze()
        begun = time.monotonic()
        with pytest.raises(GateUnreachableError, match="TimeoutError"):
            gate.may_start("t", RUN)
        assert time.monotonic() - begun < 2
        server.thaw()
        assert gate.may_start("t", RUN) is Admission.GO, "the answer that was lost was about this very start"
        server.stop()
        with pytest.raises(GateUnreachableError):
            gate.show_life()
        server.start()
        assert gate.may_start("u", None) is Admission.GO, "scripts are sent again to a server that forgot them"
        gate.close()
