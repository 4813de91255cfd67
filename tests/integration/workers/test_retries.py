"""The plugin in a foreign Celery app that has habits of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from domain.results import StoredResult
from gateway.publisher import Publisher
from gateway.results.reader import ResultReader
from tests.gateway_broker import FragileBroker, fragile_broker
from tests.gateway_messages import make_message
from tests.patience import until
from tests.worker_process import celery_worker

FOREIGN_APP = """
import os

from celery import Celery, Task
from celeriac_worker import install


class House(Task):
    greeting = "from the house"


class Guest(Task):
    greeting = "from a guest"


broker, backend = os.environ["CELERIAC_BROKER_URL"], os.environ["CELERIAC_RESULT_URL"]
app = Celery("foreign", task_cls=House, broker=broker, backend=backend)
app.conf.result_extended = True


@app.task(name="f.by_hand", bind=True, max_retries=3)
def by_hand(self):
    raise self.retry(exc=ValueError(self.greeting), countdown=0)


install(app)
install(app)


@app.task(name="f.own_base", bind=True, base=Guest, max_retries=3)
def own_base(self):
    raise self.retry(exc=ValueError(self.greeting), countdown=0)


@app.task(name="f.automatic", autoretry_for=(ValueError,), retry_kwargs={"max_retries": 4, "countdown": 0})
def automatic():
    raise ValueError("automatic")


@app.task(name="f.unlimited", bind=True, max_retries=None)
def unlimited(self):
    raise self.retry(exc=ValueError("unlimited"), countdown=0)


@app.task(name="f.names_a_limit", bind=True, autoretry_for=(KeyError,), retry_kwargs={"countdown": 0}, max_retries=3)
def names_a_limit(self, limit):
    if limit is None:
        raise KeyError("automatic")
    raise self.retry(exc=ValueError("by hand"), countdown=0, max_retries=limit)


@app.task(name="f.tells_its_texts", bind=True)
def tells_its_texts(self, password):
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("again"), countdown=0)
    raise ValueError(f"{self.request.kwargsrepr} {len(password)}")


@app.task(name="f.plain", max_retries=3)
def plain():
    raise ValueError("plain")
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileBroker]:
    """A broker with a worker of the foreign app: one process, so that runs share their task objects."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.py").write_text(FOREIGN_APP)
    with (
        fragile_broker(folder / "valkey") as broker,
        celery_worker(folder, broker.broker_url, result_url=broker.result_url, app="foreign"),
    ):
        yield broker


@pytest.fixture
async def publisher(broker: FragileBroker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.broker_url)
    yield publisher
    await publisher.close()


@pytest.mark.parametrize(
    ("task_name", "max_retries", "expected"),
    [
        ("f.by_hand", None, 3),
        ("f.by_hand", 0, 0),
        ("f.by_hand", 1, 1),
        ("f.by_hand", 6, 6),
        ("f.own_base", 1, 1),
        ("f.own_base", None, 3),
        ("f.automatic", None, 4),
        ("f.automatic", 1, 1),
        ("f.automatic", 6, 6),
        ("f.unlimited", 2, 2),
        ("f.plain", 5, 0),
    ],
)
async def test_a_submission_limits_the_retries_that_the_task_asks_for(
    broker: FragileBroker, publisher: Publisher, task_name: str, max_retries: int | None, expected: int
) -> None:
    message = make_message(task_name, max_retries=max_retries)
    await publisher.publish([message])
    assert await _retries_until_failure(broker, message.task_id) == expected


async def test_a_limit_named_by_one_run_does_not_hold_for_the_next(broker: FragileBroker, publisher: Publisher) -> None:
    limited, later = make_message("f.names_a_limit", 1), make_message("f.names_a_limit", None)
    await publisher.publish([limited])
    assert await _retries_until_failure(broker, limited.task_id) == 1
    await publisher.publish([later])
    assert await _retries_until_failure(broker, later.task_id) == 3


async def test_the_classes_of_a_foreign_app_stay_what_they_are(broker: FragileBroker, publisher: Publisher) -> None:
    house, guest = make_message("f.by_hand", max_retries=0), make_message("f.own_base", max_retries=0)
    await publisher.publish([house, guest])
    assert await _message_of_failure(broker, house.task_id) == "from the house"
    assert await _message_of_failure(broker, guest.task_id) == "from a guest"


async def test_the_message_of_a_retry_hides_what_the_first_one_hid(broker: FragileBroker, publisher: Publisher) -> None:
    message = make_message("f.tells_its_texts", kwargs={"password": "hunter22"})
    await publisher.publish([message])
    assert await _message_of_failure(broker, message.task_id) == "{'password': '[masked]'} 8"


async def _retries_until_failure(broker: FragileBroker, task_id: str) -> int | None:
    return (await _failure(broker, task_id)).retries


async def _message_of_failure(broker: FragileBroker, task_id: str) -> str | None:
    return (await _failure(broker, task_id)).exception_message


async def _failure(broker: FragileBroker, task_id: str) -> StoredResult:
    reader = ResultReader(broker.result_url)

    async def failure() -> StoredResult | None:
        result = (await reader.fetch([task_id])).get(task_id)
        return result if result is not None and result.state == "FAILURE" else None

    try:
        return await until(failure)
    finally:
        await reader.close()
