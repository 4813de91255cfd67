"""Results are fetched in bounded portions from any backend, and one that is away says so."""

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from domain.errors import Unavailable
from domain.results import StoredResult
from gateway.results import reader as reader_module
from gateway.results.forms import COMPRESSED
from gateway.results.reader import MAX_WHOLE_BYTES, META_PREFIX, PING_ID, UNAVAILABLE, ResultReader, key_prefix
from tests.fakes.scripted_redis import ScriptedRedis

SUCCESS = b'{"status": "SUCCESS", "result": 1}'


def meta(result: object, state: str = "SUCCESS") -> bytes:
    return json.dumps({"status": state, "result": result}).encode()


class Backend(ScriptedRedis):
    """A Redis with the metas of tasks; `sizes` are those that are told of other tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.metas: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.answers |= {
            "strlen": lambda key: self.sizes.get(key, len(self.metas.get(key, b""))),
            "mget": lambda keys: [self.metas.get(key) for key in keys],
        }

    def store(self, **metas: bytes) -> None:
        self.metas |= {META_PREFIX + task_id: stored for task_id, stored in metas.items()}


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    backend = Backend()
    monkeypatch.setattr(reader_module, "redis_client", lambda _url, *, timeout: backend)
    return backend


async def test_only_of_tasks_of_which_something_is_stored_anything_is_told(backend: Backend) -> None:
    backend.store(one=meta(1), two=meta("no", "FAILURE"))
    found = await ResultReader("redis://h/1").fetch(["one", "two", "three"])
    assert {task_id: result.state for task_id, result in found.items()} == {"one": "SUCCESS", "two": "FAILURE"}


async def test_of_no_tasks_nobody_is_asked(backend: Backend) -> None:
    assert await ResultReader("redis://h/1").fetch([]) == {}
    assert backend.commands == []


async def test_where_nothing_is_stored_nothing_is_fetched(backend: Backend) -> None:
    assert await ResultReader("redis://h/1").fetch(["one"]) == {}
    assert backend.names() == ["strlen"]


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (2, [2]), (3, [2, 1]), (4, [2, 2])])
async def test_no_more_are_asked_for_at_once_than_so_many(count: int, batches: list[int], backend: Backend) -> None:
    names = [str(number) for number in range(count)]
    backend.store(**dict.fromkeys(names, SUCCESS))
    assert (await ResultReader("redis://h/1", batch_size=2).fetch(names)).keys() == set(names)
    assert [len(keys) for (keys,) in backend.given("mget")] == batches


@pytest.mark.parametrize(
    ("sizes", "portions"),
    [
        ([100], [1]),
        ([50, 50], [2]),
        ([50, 51], [1, 1]),
        ([101, 40, 40], [1, 2]),
        ([40, 101, 40], [1, 1, 1]),
    ],
)
async def test_no_more_bytes_are_held_at_once_and_a_larger_result_comes_alone(
    sizes: list[int], portions: list[int], backend: Backend
) -> None:
    names = [str(number) for number in range(len(sizes))]
    backend.store(**{name: SUCCESS.ljust(size) for name, size in zip(names, sizes, strict=True)})
    assert (await ResultReader("redis://h/1", batch_bytes=100).fetch(names)).keys() == set(names)
    assert [len(keys) for (keys,) in backend.given("mget")] == portions


async def test_a_result_that_went_between_the_questions_is_none(backend: Backend) -> None:
    backend.sizes = {META_PREFIX + "gone": 100}
    backend.store(one=SUCCESS)
    assert (await ResultReader("redis://h/1").fetch(["gone", "one"])).keys() == {"one"}
    assert await ResultReader("redis://h/1").fetch_whole("gone") is None


async def test_one_result_that_nobody_can_read_hides_no_other(backend: Backend) -> None:
    backend.store(odd=b"\x80\x04", nothing=b"{", one=SUCCESS)
    found = await ResultReader("redis://h/1").fetch(["odd", "nothing", "one"])
    assert {task_id: bool(result.unreadable) for task_id, result in found.items()} == {
        "odd": True,
        "nothing": True,
        "one": False,
    }


@pytest.mark.parametrize(
    ("stored", "in_thread"),
    [
        (meta("x" * 100), False),
        (meta("x" * reader_module.LARGE_BYTES), True),
        (COMPRESSED + b"application/x-gzip\x00" + zlib.compress(SUCCESS), True),
    ],
)
async def test_what_may_take_long_to_decode_does_not_hold_up_the_loop(
    stored: bytes, in_thread: bool, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    async def to_thread(call: Any, *args: Any, **options: Any) -> Any:
        threads.append(call.__name__)
        return call(*args, **options)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    backend.store(t=stored)
    found = await ResultReader("redis://h/1").fetch(["t"])
    assert found["t"].state == "SUCCESS"
    assert threads == (["_decode_all"] if in_thread else [])


@pytest.mark.parametrize(("size", "is_fetched"), [(MAX_WHOLE_BYTES, True), (MAX_WHOLE_BYTES + 1, False)])
async def test_a_result_that_is_too_large_is_not_even_fetched(size: int, is_fetched: bool, backend: Backend) -> None:
    backend.store(t=SUCCESS)
    backend.sizes = {META_PREFIX + "t": size}
    whole = await ResultReader("redis://h/1").fetch_whole("t")
    assert ("mget" in backend.names()) is is_fetched
    assert whole is not None
    assert whole.result_truncated is not is_fetched


@pytest.mark.parametrize(
    ("result", "is_whole"),
    [([1, 2, 3], True), ([1, 2, 3, 4], False), ({"a": {"b": 1}}, True), ([[[[[[]]]]]], False), ("x" * 100, True)],
)
async def test_a_result_of_too_many_values_is_too_large_whatever_its_bytes(
    result: object, is_whole: bool, backend: Backend
) -> None:
    """The meta itself has a bracket and a comma."""
    backend.store(t=meta(result))
    whole = await ResultReader("redis://h/1", max_values=5).fetch_whole("t")
    assert whole is not None
    assert (whole.state, whole.result_truncated) == ("SUCCESS", not is_whole)
    assert whole.result_json == (json.dumps(result) if is_whole else None)


async def test_what_is_not_stored_is_no_result(backend: Backend) -> None:
    assert await ResultReader("redis://h/1").fetch_whole("t") is None


@pytest.mark.parametrize(
    "error", [RedisConnectionError("refused"), OSError("no route"), ResponseError("WRONGTYPE"), TimeoutError()]
)
async def test_a_backend_that_is_away_says_so_to_every_question(error: Exception, backend: Backend) -> None:
    backend.answers |= {"strlen": error, "mget": error}
    reader = ResultReader("redis://h/1")
    for question in (reader.fetch(["t"]), reader.fetch_whole("t"), reader.ping()):
        with pytest.raises(Unavailable) as refusal:
            await question
        assert str(refusal.value) == UNAVAILABLE == "The result backend is unavailable; try again."
        assert refusal.value.__cause__ is error
    await reader.close()
    assert backend.closed == 1


async def test_a_ping_asks_for_no_task(backend: Backend) -> None:
    await ResultReader("redis://h/1").ping()
    assert backend.given("mget") == [([META_PREFIX + PING_ID],)]


@pytest.mark.parametrize(
    ("prefix", "used"),
    [("", ""), ("shop", "shop_"), ("shop:", "shop:"), ("shop_", "shop_"), ("shop-", "shop-"), ("shop.", "shop.")],
)
async def test_a_prefix_is_used_as_celery_makes_it(prefix: str, used: str, backend: Backend) -> None:
    assert key_prefix(prefix) == used
    await ResultReader("redis://h/1", prefix=prefix).ping()
    assert backend.given("mget") == [([f"{used}{META_PREFIX}{PING_ID}"],)]


@pytest.mark.parametrize("url", ["rpc://", "disabled://", "mongodb://u:s3cret@h/db", "django-db", "django-cache", "db"])
async def test_of_a_backend_that_is_not_read_it_is_said_why_and_nothing_is_ever_found(url: str) -> None:
    reader = ResultReader(url)
    assert reader.blind
    assert reader.blind.endswith("what events tell is shown.")
    assert "s3cret" not in reader.blind
    assert await reader.fetch(["t"]) == {}
    assert await reader.fetch_whole("t") is None
    await reader.ping()
    await reader.close()


@pytest.mark.parametrize("url", ["db+nosuch://u:s3cret@h/x", "nosuch://u:s3cret@h/x"])
async def test_a_backend_without_a_client_is_named_by_its_kind_alone(url: str) -> None:
    reader = ResultReader(url)
    assert reader.blind
    assert reader.blind.startswith(f"Results of the backend {url.partition(':')[0].partition('+')[0]} are not read: ")
    assert "no client for it is installed here" in reader.blind
    assert "s3cret" not in reader.blind
    await reader.close()


async def test_any_backend_of_celery_that_keeps_values_by_key_is_read(tmp_path: Path) -> None:
    reader = ResultReader(f"file://{tmp_path}")
    assert reader.blind is None
    (tmp_path / f"{META_PREFIX}t").write_bytes(SUCCESS)
    assert await reader.fetch(["t", "absent"]) == {"t": StoredResult("t", "SUCCESS", result_json="1")}
    await reader.ping()
    await reader.close()


async def test_such_a_backend_that_is_away_says_so_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ResultReader(f"file://{tmp_path}")

    def fail(_key: object) -> None:
        raise ConnectionResetError

    store: Any = reader._store
    monkeypatch.setattr(store._backend, "get", fail)
    with pytest.raises(Unavailable) as refusal:
        await reader.fetch(["t"])
    assert str(refusal.value) == UNAVAILABLE
    await reader.close()
