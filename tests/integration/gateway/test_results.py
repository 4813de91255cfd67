import json
from pathlib import Path

import pytest
import redis
from celery import Celery

from gateway import results as results_module
from gateway.results import ResultReader
from tests.gateway_broker import FragileBroker


async def test_many_and_large_results_are_fetched_in_bounded_portions(
    broker: FragileBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_module, "BATCH_SIZE", 10)
    monkeypatch.setattr(results_module, "BATCH_BYTES", 1000)
    sizes = {f"t{number}": 10 + number * 97 % 600 for number in range(35)} | {"huge": 5000}
    with redis.Redis.from_url(broker.result_url) as client:
        for task_id, size in sizes.items():
            client.set(f"celery-task-meta-{task_id}", json.dumps({"status": "SUCCESS", "result": "x" * size}))
    reader = ResultReader(broker.result_url)
    found = await reader.fetch([*sizes, "unknown"])
    await reader.close()
    assert {task_id: len(json.loads(result.result_json or "")) for task_id, result in found.items()} == sizes


async def test_a_broker_restart_is_not_an_error_of_the_next_read(broker: FragileBroker) -> None:
    reader = ResultReader(broker.result_url)
    await reader.fetch(["t"])
    broker.stop()
    broker.start()
    assert await reader.fetch(["t"]) == {}
    await reader.close()


async def test_another_key_value_backend_is_read_through_celery(tmp_path: Path) -> None:
    app = Celery(broker="memory://", backend=f"file://{tmp_path}", set_as_current=False)
    app.backend.store_result("done", {"n": 1}, "SUCCESS")
    app.backend.store_result("broken", ValueError("no"), "FAILURE")
    reader = ResultReader(f"file://{tmp_path}")
    found = await reader.fetch(["done", "broken", "unknown"])
    await reader.close()
    assert found["done"].result_json == '{"n": 1}'
    assert (found["broken"].exception_type, found["broken"].exception_message) == ("ValueError", "no")
    assert set(found) == {"done", "broken"}


def test_a_backend_that_keeps_pickles_is_refused() -> None:
    with pytest.raises(ValueError, match="RPCBackend cannot be read: use Redis or a key-value backend"):
        ResultReader("rpc://")
