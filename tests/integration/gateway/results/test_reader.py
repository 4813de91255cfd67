import json
from pathlib import Path

import psycopg
import pytest
import redis
from celery import Celery
from celery.backends.base import compress_payload  # type: ignore[attr-defined]

from domain.errors import Unavailable
from gateway.results.reader import ResultReader
from tests.gateway_broker import FragileBroker


async def test_many_and_large_results_are_fetched_in_bounded_portions(broker: FragileBroker) -> None:
    sizes = {f"t{number}": 10 + number * 97 % 600 for number in range(35)} | {"huge": 5000}
    with redis.Redis.from_url(broker.result_url) as client:
        for task_id, size in sizes.items():
            client.set(f"celery-task-meta-{task_id}", json.dumps({"status": "SUCCESS", "result": "x" * size}))
    reader = ResultReader(broker.result_url, batch_size=10, batch_bytes=1000)
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


@pytest.mark.parametrize("url", ["rpc://", "django-db", "db+mysql://u:s3cret@h/db", "cassandra://"])
async def test_of_a_backend_that_cannot_be_read_it_is_said_and_nobody_waits_for_it(url: str) -> None:
    reader = ResultReader(url)
    await reader.ping()
    assert await reader.fetch(["t"]) == {}
    assert await reader.fetch_whole("t") is None
    await reader.close()
    assert "what events tell is shown" in str(reader.blind)
    assert "s3cret" not in str(reader.blind)


async def test_results_in_celerys_own_table_are_read_where_they_are_json(tmp_path: Path) -> None:
    url = f"db+sqlite:///{tmp_path}/results.sqlite"
    reader = ResultReader(url)
    assert await reader.fetch(["done"]) == {}  # nobody has made the file
    for task_id, result, state, form in (
        ("done", {"n": 1}, "SUCCESS", "json"),
        ("none", None, "SUCCESS", "json"),
        ("broken", ValueError("no"), "FAILURE", "json"),
        ("pickled", {"n": 1}, "SUCCESS", "pickle"),
    ):
        app = Celery(broker="memory://", backend=url, set_as_current=False)
        app.conf.result_serializer = form
        app.backend.store_result(task_id, result, state)
    found = await reader.fetch(["done", "none", "broken", "pickled", "unknown"])
    await reader.close()
    assert (found["done"].result_json, found["none"].result_json) == ('{"n": 1}', "null")
    assert found["broken"].error == "ValueError: no"
    assert (found["pickled"].state, found["pickled"].result_json) == ("SUCCESS", None)
    assert "pickled" in str(found["pickled"].unreadable)
    assert "unknown" not in found


DJANGO_TABLE = """create table django_celery_results_taskresult (
    task_id varchar(255) unique, status varchar(50), content_type varchar(128), content_encoding varchar(64),
    result text, traceback text, date_done timestamptz)"""


async def test_results_of_a_django_application_are_read_from_its_database(database_url: str) -> None:
    reader = ResultReader(f"django-db+{database_url}")
    assert await reader.fetch(["done"]) == {}  # its migrations have not run
    failure = json.dumps({"exc_type": "KeyError", "exc_message": ["x"], "exc_module": "builtins"})
    rows = [
        ("done", "SUCCESS", "application/json", '{"n": 1}'),
        ("empty", "SUCCESS", "application/json", None),
        ("broken", "FAILURE", "application/json", failure),
        ("pickled", "SUCCESS", "application/x-python-serialize", "gASVAAAA"),
    ]
    with psycopg.connect(database_url) as connection:
        connection.execute(DJANGO_TABLE)
        connection.cursor().executemany(
            "insert into django_celery_results_taskresult values (%s, %s, %s, 'utf-8', %s, null, now())", rows
        )
    found = await reader.fetch(["done", "empty", "broken", "pickled"])
    await reader.close()
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table django_celery_results_taskresult")
    assert (found["done"].result_json, found["empty"].result_json) == ('{"n": 1}', "null")
    assert found["done"].date_done is not None
    assert found["broken"].error == "KeyError: x"
    assert (found["pickled"].state, found["pickled"].unreadable) == (
        "SUCCESS",
        "is stored as application/x-python-serialize",
    )


async def test_a_database_that_is_away_is_a_backend_that_is_away() -> None:
    reader = ResultReader("db+postgresql://u:p@127.0.0.1:9/x")
    with pytest.raises(Unavailable):
        await reader.fetch(["t"])
    await reader.close()


async def test_what_is_compressed_is_read_whole_within_its_bounds(broker: FragileBroker) -> None:
    with redis.Redis.from_url(broker.result_url) as client:
        for task_id, length in (("some", 50), ("many", 500)):
            meta = json.dumps({"status": "SUCCESS", "result": [0] * length}).encode()
            client.set(f"celery-task-meta-{task_id}", compress_payload(meta, "zlib"))
    reader = ResultReader(broker.result_url, max_values=100)
    some, many = await reader.fetch_whole("some"), await reader.fetch_whole("many")
    await reader.close()
    assert some is not None
    assert many is not None
    assert (json.loads(some.result_json or ""), many.result_truncated) == ([0] * 50, True)
