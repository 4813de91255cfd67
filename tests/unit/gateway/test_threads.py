import threading
import time
from typing import Any

import pytest
from amqp.exceptions import AMQPError
from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError, RedisError
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from gateway.threads import BrokerThread


async def test_calls_run_one_after_another_in_a_thread_of_their_own() -> None:
    thread = BrokerThread("test")
    names = [await thread.run(lambda: threading.current_thread().name, limit_seconds=5) for _ in range(3)]
    await thread.close()
    assert set(names) == {"gateway-test_0"}


async def test_a_brokers_error_becomes_ours_and_any_other_stays() -> None:
    thread = BrokerThread("test")
    with pytest.raises(BrokerUnavailable):
        await thread.run(_raise, ConnectionRefusedError(), limit_seconds=5)
    with pytest.raises(KeyError):
        await thread.run(_raise, KeyError("bug"), limit_seconds=5)
    await thread.close()


async def test_a_call_that_hangs_is_given_up_and_the_loop_goes_on() -> None:
    thread = BrokerThread("test")
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await thread.run(release.wait, 10, limit_seconds=0.1)
    assert time.monotonic() - began < 5
    release.set()
    assert await thread.run(lambda: "next", limit_seconds=5) == "next"
    await thread.close()


async def test_no_thread_is_left_after_close_and_a_second_close_is_harmless() -> None:
    thread = BrokerThread("closing")
    await thread.run(lambda: None, limit_seconds=5)
    await thread.close()
    await thread.close()
    assert not [running for running in threading.enumerate() if running.name.startswith("gateway-closing")]


def _raise(error: Exception) -> None:
    raise error


async def test_a_thread_that_died_is_replaced_and_that_is_told() -> None:
    thread = BrokerThread("dying")
    kill(await thread.run(threading.current_thread, limit_seconds=5), thread)
    with capture_logs() as logs:
        assert await thread.run(lambda: "again", limit_seconds=5) == "again"
    assert [(line["event"], line["thread"]) for line in logs] == [("thread_replaced", "gateway-dying")]
    await thread.close()
    with pytest.raises(RuntimeError):
        await thread.run(lambda: None, limit_seconds=5)


def kill(running: threading.Thread, thread: BrokerThread) -> None:
    """By an item that is none: what runs an item survives whatever that raises."""
    queue: Any = thread._executor._work_queue
    queue.put("no item")
    running.join(timeout=10)
    assert not running.is_alive()


@pytest.mark.parametrize("error", [OperationalError(), RedisError(), AMQPError(), EOFError()])
async def test_an_error_of_any_driver_is_an_unavailable_broker_and_its_cause_is_kept(error: Exception) -> None:
    thread = BrokerThread("test")
    with capture_logs() as logs, pytest.raises(BrokerUnavailable) as refusal:
        await thread.run(_raise, error, limit_seconds=5)
    assert refusal.value.__cause__ is error
    assert logs == []
    await thread.close()


async def test_a_right_that_is_missing_is_told_for_it_does_not_come_by_itself() -> None:
    thread = BrokerThread("test")
    words = "this user has no permissions to run the 'info' command"
    with capture_logs() as logs, pytest.raises(BrokerUnavailable):
        await thread.run(_raise, NoPermissionError(words), limit_seconds=5)
    assert logs == [{"event": "right_missing", "thread": "gateway-test", "error": words, "log_level": "warning"}]
    await thread.close()


@pytest.mark.parametrize("error", [ConnectionResetError(), RuntimeError("no more")])
async def test_a_cleanup_that_fails_ends_the_thread_all_the_same(error: Exception) -> None:
    thread = BrokerThread("cleaning")
    await thread.close(lambda: _raise(error))
    with pytest.raises(RuntimeError):
        await thread.run(lambda: None, limit_seconds=5)


async def test_a_cleanup_runs_after_the_calls_before_it_and_in_their_thread() -> None:
    thread, done = BrokerThread("cleaning"), list[str]()
    await thread.run(lambda: done.append("call"), limit_seconds=5)
    await thread.close(lambda: done.append(threading.current_thread().name))
    assert done == ["call", "gateway-cleaning_0"]
