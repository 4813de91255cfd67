"""Encrypted arguments from REST to a worker with the key, and nobody between them who has seen what they hold."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from celeriac_worker.payloads import PayloadKeys, open_error, open_result, seal
from psycopg import sql

from tests.acceptance.stack import Stack
from tests.patience import wait_for
from tests.worker_process import WorkerProcess, celery_worker

KEYS = PayloadKeys({"k1": bytes(range(32))})
IN_THE_ENVIRONMENT = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
POOLS = ("prefork", "threads", "solo")
CANARY = "canary4711"
WITNESS = "witness4711"
"""Beside each canary, readable: where this is found, that would be."""
APP = """
import os

from celery import Celery
from celeriac_worker import install

app = Celery("sealed", broker=os.environ["CELERIAC_BROKER_URL"], backend=os.environ["CELERIAC_RESULT_URL"])
app.conf.result_extended = True
install(app)


@app.task(name="sealed.pay", bind=True, max_retries=3, default_retry_delay=0)
def pay(self, card, witness, how="pays"):
    if how == "fails":
        raise ValueError(f"declined {card['number']}")
    if how == "retries":
        raise self.retry((card, witness, "pays"), exc=KeyError(card["number"]), countdown=0)
    if how == "gives up":
        raise self.retry(exc=KeyError(card["number"]), countdown=0)
    return f"paid with {card['number']}"


@app.task(name="sealed.book", celeriac_takes_results_of=["sealed.pay"])
def book(receipt):
    return f"booked: {receipt}"
"""


@pytest.fixture(scope="module")
def workers(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[WorkerProcess]]:
    """One of each pool, on a queue of that name."""
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "sealed.py").write_text(APP)
    with ExitStack() as started:
        yield [started.enter_context(_worker(stack, folder, pool=pool)) for pool in POOLS]
    # Other tests count the workers of the stack.
    for pool in POOLS:
        wait_for(partial(_is_forgotten, stack, f"sealed-{pool}@test"))


def _worker(stack: Stack, folder: Path, *, pool: str) -> Any:
    addresses = stack.addresses
    return celery_worker(
        folder,
        addresses.broker_url,
        result_url=addresses.result_url,
        app="sealed",
        name=f"sealed-{pool}",
        options=("--pool", pool, "--concurrency", "1", "--queues", pool),
        environment={"CELERIAC_REDIS_URL": addresses.redis_url, "CELERIAC_PAYLOAD_KEYS": IN_THE_ENVIRONMENT},
    )


def _is_forgotten(stack: Stack, node: str) -> bool:
    """A worker that is still online is not."""
    return stack.client.delete(f"/workers/{node}").status_code in (204, 404)


def _submit(stack: Stack, queue: str, *arguments: Any, task_name: str = "sealed.pay") -> str:
    wait_for(lambda: stack.is_described(f"sealed-{queue}@test"))
    return stack.submit(task_name, *arguments, queue_name=queue)


def _card() -> dict[str, Any]:
    return seal({"number": CANARY}, task_name="sealed.pay", keys=KEYS)


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_opens_what_a_client_has_sealed_and_nobody_else_sees_it(
    stack: Stack, workers: list[WorkerProcess], pool: str
) -> None:
    ids = {how: _submit(stack, pool, _card(), WITNESS, how) for how in ("pays", "retries", "fails", "gives up")}
    ends = {how: stack.wait_for_end(task_id) for how, task_id in ids.items()}
    for how in ("pays", "retries"):
        opened = open_result(ends[how]["result"], task_name="sealed.pay", task_id=ids[how], keys=KEYS)
        assert opened == f"paid with {CANARY}"
    texts = {"fails": f"ValueError('declined {CANARY}')", "gives up": f"KeyError('{CANARY}')"}
    for how, text in texts.items():
        assert ends[how]["error"].startswith(f"SealedError: {text.partition('(')[0]} ")
        assert open_error(ends[how]["error"], task_name="sealed.pay", task_id=ids[how], keys=KEYS) == text
    assert [ends[how]["retry_count"] for how in ids] == [0, 1, 0, 3]
    assert not _places_of(CANARY, stack, workers=workers, ids=ids.values())
    # No log of ours or of a worker's shows arguments, readable ones neither.
    assert _places_of(WITNESS, stack, workers=workers, ids=ids.values()) >= {"database", "redis", "rest", "files"}


def test_the_result_of_a_step_is_opened_by_the_step_that_may_be_given_it(
    stack: Stack, workers: list[WorkerProcess]
) -> None:
    pay = {"id": "pay", "task_name": "sealed.pay", "task_args": [_card(), WITNESS], "queue_name": "threads"}
    whole = {"id": "book", "task_name": "sealed.book", "task_args": [{"$result": "pay"}], "queue_name": "threads"}
    part = whole | {"id": "part", "task_args": [{"$result": "pay", "pointer": "/number"}]}
    workflow = stack.wait_for_workflow(stack.start_workflow([pay, whole, part], on_failure="continue"))
    steps = {step["id"]: step for step in workflow["steps"]}
    assert "is encrypted: it can be passed on only as a whole" in steps["part"]["error"]
    booked = open_result(steps["book"]["result"], task_name="sealed.book", task_id=steps["book"]["task_id"], keys=KEYS)
    assert booked == f"booked: paid with {CANARY}"


def test_a_malformed_part_is_refused_before_anything_is_stored(stack: Stack) -> None:
    body = {"task_name": "celeriac.sleep", "task_args": [{"card": {"$encrypted": {"kid": "k1"}}}]}
    answer = stack.client.post("/tasks", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "task_args.0.card"


def _places_of(text: str, stack: Stack, *, workers: list[WorkerProcess], ids: Any) -> set[str]:
    """Where the text stands, of all places that keep something or show it."""
    found = {
        "database": _is_in_the_database(text, stack.database_url),
        "redis": any(_is_in_redis(text, url) for url in (stack.addresses.broker_url, stack.addresses.result_url)),
        "rest": any(text in answer for answer in _answers(stack, ids)),
        "files": any(text.encode() in path.read_bytes() for path in stack.data.rglob("*") if path.is_file()),
        "logs": any(text in worker.log.read_text() for worker in workers),
    }
    return {place for place, is_there in found.items() if is_there}


def _is_in_the_database(text: str, url: str) -> bool:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        asked = [
            sql.SQL("SELECT EXISTS (SELECT FROM {} t WHERE t::text LIKE {} OR t::text LIKE {})").format(
                sql.Identifier(*row), sql.Literal(f"%{text}%"), sql.Literal(f"%{text.encode().hex()}%")
            )
            for row in rows
        ]
        assert len(asked) > 10
        return any(connection.execute(each).fetchone() == (True,) for each in asked)


def _is_in_redis(text: str, url: str) -> bool:
    with redis.Redis.from_url(url) as server:
        readers: dict[bytes, Any] = {
            b"string": server.get,
            b"list": lambda key: server.lrange(key, 0, -1),
            b"hash": server.hgetall,
            b"set": server.smembers,
            b"zset": lambda key: server.zrange(key, 0, -1),
            b"stream": server.xrange,
        }
        kept = {key: server.type(key) for key in server.scan_iter()}
        return any(text in f"{key!r}{readers[kind](key)!r}" for key, kind in kept.items() if kind in readers)


def _answers(stack: Stack, ids: Any) -> Iterator[str]:
    for task_id in ids:
        for path in ("", "/timeline", "/tree", f"/compare/{next(iter(ids))}"):
            yield stack.client.get(f"/tasks/{task_id}{path}").text
    for path in ("/tasks", "/search/tasks/export/csv", f"/search/tasks?search={WITNESS}"):
        answer = stack.client.get(path)
        assert answer.status_code == 200
        yield answer.text
