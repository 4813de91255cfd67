"""Encryption at rest on a real database: a dump shows nothing, everybody who has the key goes on as ever."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.encryption import Encrypted, count_left, encrypt_stored
from domain.at_rest import MARK, AtRestKeys
from domain.errors import ArgumentsNotRecorded, IdempotencyConflict
from domain.idempotency import request_key
from domain.identities import Identity
from domain.redaction.rules import COMMON
from domain.redaction.values import MASK
from domain.refusals import PARKED_AFTER
from domain.results import StoredResult, ToldResult
from domain.states import EventType
from domain.workflows.definition import NewWorkflow
from services.dispatch import dispatch_due, dispatch_refused
from services.idempotency import find_first_answer
from services.record import News, record
from services.redaction import mask_errors
from services.search_index import index_waiting
from store.engine import open_engine
from store.queries import events
from store.queries.idempotency import keep_answer
from store.queries.notifications.channels import add_channel, get_url
from store.queries.submissions import add_submissions, get_original
from store.queries.tasks.documents import WHOLE_ATTEMPTS, WholeTask, get_task
from store.queries.workflows import documents, steps
from store.tables.base import metadata
from store.tables.search import search_queue, task_search
from store.tables.tasks import outbox, task_arguments, task_results
from store.tables.workflows import workflow_submissions
from tests.facts import TASK_ID, after, told
from tests.fakes.gateway import FakeBroker, FakePublisher
from tests.submissions import make_submission
from tests.workflows import begin, make_workflow

CANARY = "zq17canary"
KEYS = {number: bytes((number + place) % 256 for place in range(32)) for number in (1, 2, 3)}
CHANNEL, CHANNEL_URL = UUID(int=17), f"json://example.com/{CANARY}"
NAMED = {"name": "mail", "shown": "json://example.com/***", "enabled": True, "created_by": "local"}
FOREIGN = "0195536c-0000-7000-8000-00000000000f"


def keys(*numbers: int) -> AtRestKeys:
    return AtRestKeys(numbers[0], {number: KEYS[number] for number in numbers})


@pytest.fixture
async def sealing(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that encrypts with key 1."""
    engine = open_engine(database_url, pool_size=5, keys=keys(1))
    yield engine
    await engine.dispose()


WITHOUT_ROWS = {"webhooks", "webhook_deliveries", "webhook_attempts"}
"""Tables with sealed columns that `live` leaves empty; `tests/integration/loops/test_webhooks.py` fills them."""


@pytest.fixture
async def rotated(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that encrypts with key 2 and also has key 1."""
    engine = open_engine(database_url, pool_size=5, keys=keys(2, 1))
    yield engine
    await engine.dispose()


async def dump(engine: AsyncEngine) -> str:
    """All rows of all tables, as text."""
    texts: list[str] = []
    async with engine.connect() as connection:
        for table in metadata.sorted_tables:
            rows = await connection.execute(text(f'SELECT t::text FROM "{table.name}" t'))
            texts += [f"{table.name} {row[0]}" for row in rows]
    return "\n".join(texts)


async def read(engine: AsyncEngine, task_id: str = TASK_ID) -> WholeTask:
    async with engine.connect() as connection:
        task = await get_task(connection, task_id)
    assert task is not None
    return task


async def live(engine: AsyncEngine) -> NewWorkflow:
    """One task that fails, one that returns, one of others, and a workflow; returns that."""
    given = make_submission(task_id=TASK_ID, args=f'["{CANARY}"]', kwargs=f'{{"a": "{CANARY}"}}')
    returning = make_submission()
    async with engine.begin() as connection:
        await add_submissions(connection, [given, returning])
        traceback = f"Traceback\n  pay('{CANARY}')\nValueError"
        failed = [
            told(EventType.RECEIVED, 1),
            told(EventType.STARTED, 2),
            told(EventType.FAILED, 3, exception="ValueError()", traceback=traceback),
        ]
        error = StoredResult(
            TASK_ID, "FAILURE", None, exception_type="ValueError", exception_message="", traceback=traceback
        )
        result = StoredResult(
            returning.task_id, "SUCCESS", f'{{"paid": "{CANARY}"}}', result_repr=f"'{CANARY}'", date_done=after(3)
        )
        identity = Identity(FOREIGN, "shop.pay", args_repr=f"('{CANARY}',)", kwargs_repr=f"{{'{CANARY}': 1}}")
        others = told(EventType.RECEIVED, 1, task_id=FOREIGN)
        await record(
            connection,
            News(
                [*failed, others],
                [identity],
                [error, result],
                [ToldResult(FOREIGN, f"'{CANARY} told'", "is pickled")],
            ),
        )
    async with engine.begin() as connection:
        key = request_key("/tasks", "k", body=b"{}", owner=b"")
        assert await find_first_answer(connection, key) is None
        await keep_answer(connection, key, answer=f'{{"result": "{CANARY}"}}')
        await add_channel(connection, CHANNEL, values=NAMED, url=CHANNEL_URL)
    workflow = make_workflow({"a": (), "b": "a"}, args={"a": [CANARY], "b": [CANARY]})
    await begin(engine, workflow)
    while await index(engine):
        pass
    return workflow


async def index(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await index_waiting(connection)


async def assert_all_is_shown(engine: AsyncEngine, workflow: NewWorkflow) -> None:
    task, foreign = await read(engine), await read(engine, FOREIGN)
    assert (task.args, task.kwargs) == ([CANARY], {"a": CANARY})
    assert CANARY in (task.traceback or "")
    assert CANARY in task.attempts[0]["traceback"]
    assert (foreign.args_repr, foreign.kwargs_repr) == (f"('{CANARY}',)", f"{{'{CANARY}': 1}}")
    assert (foreign.result_repr, foreign.unreadable) == (f"'{CANARY} told'", "is pickled")
    async with engine.begin() as connection:
        facts = await events.get_facts(connection, [TASK_ID], since=after(0))
        assert any(CANARY in str(fact.details.get("traceback")) for fact in facts[TASK_ID])
        assert await get_url(connection, CHANNEL) == CHANNEL_URL
        returned = await connection.execute(select(task_results.c.task_id).where(task_results.c.result.is_not(None)))
        returned_id = returned.scalar_one()
        definition = await documents.get_definition(connection, workflow.workflow_id)
        original = await get_original(connection, TASK_ID)
        answer = await find_first_answer(connection, request_key("/tasks", "k", body=b"{}", owner=b""))
    whole = await read(engine, returned_id)
    assert (whole.result, whole.result_repr, whole.has_result) == ({"paid": CANARY}, f"'{CANARY}'", True)
    assert definition is not None
    assert [step.submission.args for step in definition.steps] == [f'["{CANARY}"]'] * 2
    assert original is not None
    assert (original.args, original.kwargs) == (f'["{CANARY}"]', f'{{"a": "{CANARY}"}}')
    assert answer == f'{{"result": "{CANARY}"}}'


async def test_a_dump_shows_nothing_of_what_everybody_with_the_key_sees(
    sealing: AsyncEngine, engine: AsyncEngine
) -> None:
    workflow = await live(sealing)
    dumped = await dump(engine)
    assert CANARY not in dumped
    assert "ValueError()" in dumped
    await assert_all_is_shown(sealing, workflow)
    broker = FakeBroker()
    async with sealing.begin() as connection:
        await dispatch_due(connection, FakePublisher(broker))
    sent = [message.args for messages in broker.queues.values() for message in messages]
    assert [CANARY] in sent


async def test_without_keys_all_is_stored_as_it_is(engine: AsyncEngine) -> None:
    workflow = await live(engine)
    dumped = await dump(engine)
    assert MARK not in dumped
    assert all(f"{table} " in dumped for table in ("task_arguments", "task_results", "attempts", "idempotency_keys"))
    await assert_all_is_shown(engine, workflow)


async def test_plain_rows_stay_readable_and_are_encrypted_by_the_command_with_those_of_the_key_before(
    engine: AsyncEngine, sealing: AsyncEngine, rotated: AsyncEngine, database_url: str
) -> None:
    workflow = await live(engine)
    await assert_all_is_shown(sealing, workflow)
    plain = await count_left(sealing)
    assert {name for name, count in plain.items() if not count} == WITHOUT_ROWS
    done = await encrypt_stored(sealing)
    assert {table.table: table.encrypted for table in done} == plain
    assert not any(table.locked or table.unreadable for table in done)
    # Search forgets the words of what could be read before.
    while await index(sealing):
        pass
    assert CANARY not in await dump(engine)
    assert not any((await count_left(sealing)).values())
    assert await count_left(rotated) == plain
    assert {table.table: table.encrypted for table in await encrypt_stored(rotated)} == plain
    assert {table.encrypted for table in await encrypt_stored(rotated)} == {0}
    async with engine.connect() as connection:
        assert (await connection.execute(select(search_queue))).all() == []
    newest = open_engine(database_url, pool_size=2, keys=keys(2))
    await assert_all_is_shown(newest, workflow)
    await newest.dispose()


async def test_with_keys_search_learns_no_arguments_of_plain_rows_either(
    sealing: AsyncEngine, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await add_submissions(connection, [make_submission(args=f'["{CANARY}"]')])
    assert await index(sealing) == 1
    async with engine.connect() as connection:
        (document,) = (await connection.execute(select(task_search.c.document))).scalars()
    assert CANARY not in str(document)
    assert "celeriac" in str(document)


async def test_what_no_key_opens_is_left_and_what_is_locked_is_told(
    sealing: AsyncEngine, engine: AsyncEngine, database_url: str
) -> None:
    await live(sealing)
    without = open_engine(database_url, pool_size=3, keys=keys(3))
    before = await dump(engine)
    done = await encrypt_stored(without)
    assert {table.encrypted for table in done} == {0}
    assert {table.table for table in done if not table.unreadable} == WITHOUT_ROWS
    assert await dump(engine) == before
    async with engine.begin() as connection:
        await connection.execute(select(task_arguments).with_for_update())
        (arguments, *_) = await encrypt_stored(without)
    assert arguments == Encrypted("task_arguments", 0, 0, locked=4)
    await without.dispose()


async def test_under_an_unknown_key_the_reason_stands_in_place_of_the_value(
    sealing: AsyncEngine, engine: AsyncEngine
) -> None:
    workflow = await live(sealing)
    task, foreign = await read(engine), await read(engine, FOREIGN)
    why = "is encrypted with key 1, which CELERIAC_ENCRYPTION_KEYS does not hold"
    assert (task.args, task.kwargs, task.args_repr, task.kwargs_repr) == (None, None, f"[{why}]", f"[{why}]")
    assert (task.traceback, task.attempts[0]["traceback"], task.error) == (f"[{why}]", f"[{why}]", "ValueError: ")
    assert foreign.args_repr == f"[{why}]"
    async with engine.begin() as connection:
        with pytest.raises(ArgumentsNotRecorded, match="key 1"):
            await get_original(connection, TASK_ID)
        with pytest.raises(ArgumentsNotRecorded, match="key 1"):
            await documents.get_definition(connection, workflow.workflow_id)
        with pytest.raises(IdempotencyConflict, match="key 1"):
            await find_first_answer(connection, request_key("/tasks", "k", body=b"{}", owner=b""))
        returned = await connection.execute(select(task_results.c.task_id).where(task_results.c.result.is_not(None)))
        whole = await get_task(connection, returned.scalar_one())
    assert whole is not None
    assert (whole.result, whole.has_result, whole.unreadable) == (None, False, why)


async def test_what_cannot_be_read_is_parked_and_goes_once_it_can(sealing: AsyncEngine, engine: AsyncEngine) -> None:
    sealed, plain = make_submission(args=f'["{CANARY}"]'), make_submission()
    async with sealing.begin() as connection:
        await add_submissions(connection, [sealed])
    async with engine.begin() as connection:
        await add_submissions(connection, [plain])
    broker = FakeBroker()
    async with engine.begin() as connection:
        done = await dispatch_due(connection, FakePublisher(broker))
    assert (done.published, done.refused) == (1, 1)
    for _ in range(PARKED_AFTER - 1):
        await make_due(engine)
        async with engine.begin() as connection:
            await dispatch_refused(connection, FakePublisher(broker))
    task = await read(engine, sealed.task_id)
    assert (task.refusals, task.parked_at is not None) == (PARKED_AFTER, True)
    assert "key 1, which CELERIAC_ENCRYPTION_KEYS does not hold" in (task.refusal or "")
    assert [message.task_id for message in broker.queues["celery"]] == [plain.task_id]
    await make_due(engine)
    async with sealing.begin() as connection:
        await dispatch_refused(connection, FakePublisher(broker))
    assert [message.args for message in broker.queues["celery"]] == [[2, 3], [CANARY]]


async def make_due(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(outbox).values(due_at=datetime.now(UTC)))


async def test_a_value_moved_to_another_row_or_changed_is_told_as_tampered_with(sealing: AsyncEngine) -> None:
    one, other, own = (make_submission(args=f'["{CANARY}", {number}]') for number in range(3))
    async with sealing.begin() as connection:
        await add_submissions(connection, [one, other, own])
        stolen = select(task_arguments.c.args).where(task_arguments.c.task_id == one.task_id).scalar_subquery()
        await connection.execute(
            update(task_arguments).where(task_arguments.c.task_id == other.task_id).values(args=stolen)
        )
        await connection.execute(
            update(task_arguments).where(task_arguments.c.task_id == own.task_id).values(kwargs=task_arguments.c.args)
        )
    for task_id, name in ((other.task_id, "args"), (own.task_id, "kwargs")):
        task = await read(sealing, task_id)
        assert getattr(task, name) is None
        assert "tampered with" in str(getattr(task, f"{name}_repr"))
    assert (await read(sealing, one.task_id)).args == [CANARY, 0]


async def test_what_somebody_writes_as_if_it_were_encrypted_stays_what_it_is(
    sealing: AsyncEngine, engine: AsyncEngine
) -> None:
    hidden = make_submission(args='["x"]')
    async with sealing.begin() as connection:
        await add_submissions(connection, [hidden])
        stored = (await connection.execute(select(task_arguments.c.args))).scalar_one()
    for number, writer in enumerate((engine, sealing)):
        task_id = f"{TASK_ID}-{number}"
        result = StoredResult(task_id, "SUCCESS", json.dumps(stored), result_repr=stored, date_done=after(3), retries=1)
        identity = Identity(task_id, "shop.pay", args_repr=stored)
        async with writer.begin() as connection:
            facts = [
                told(EventType.RECEIVED, 1, task_id=task_id, retries=0),
                told(EventType.RETRIED, 2, task_id=task_id, traceback=stored),
            ]
            await record(connection, News(facts, [identity], [result]))
        task = await read(writer, task_id)
        assert (task.result, task.result_repr, task.args_repr) == (stored, stored, stored)
        assert task.attempts[0]["traceback"] == stored


async def test_errors_get_the_mask_of_arguments_that_are_encrypted(sealing: AsyncEngine, engine: AsyncEngine) -> None:
    large = json.dumps({"password": f"{CANARY} secret", "filling": "x" * 100_000})
    submission = make_submission(task_id=TASK_ID, kwargs=large)
    async with sealing.begin() as connection:
        await add_submissions(connection, [submission])
        news = News([told(EventType.FAILED, 1, exception=f"ValueError('{CANARY} secret')")])
        masked = await mask_errors(connection, news, redaction=COMMON)
    assert masked.facts[0].details["exception"] == f"ValueError('{MASK}')"
    async with engine.begin() as connection:
        unknown = await mask_errors(connection, news, redaction=COMMON)
    assert unknown.facts == news.facts


async def test_a_workflow_goes_on_with_results_that_are_encrypted(sealing: AsyncEngine, engine: AsyncEngine) -> None:
    world = await begin(sealing, make_workflow({"a": (), "b": "a"}, args={"b": [{"$result": "a"}]}))
    await world.complete("a", result={"paid": CANARY})
    await world.advance()
    task_id = (await world.steps())["b"].task_id
    assert (await read(sealing, task_id)).args == [{"paid": CANARY}]
    async with sealing.connect() as connection:
        results, omitted = await documents.list_results(connection, (await world.workflow()).workflow_id)
    assert (list(results.values()), omitted) == ([{"paid": CANARY}], set())
    assert CANARY not in await dump(engine)


async def test_a_step_that_cannot_be_read_fails_with_the_reason(sealing: AsyncEngine, engine: AsyncEngine) -> None:
    world = await begin(sealing, make_workflow({"a": (), "b": "a", "c": "a"}, args={"b": [CANARY]}))
    await world.complete("a", result=CANARY)
    blind = replace(world, engine=engine)
    await blind.advance()
    steps_now = await blind.steps()
    assert {steps_now[name].status for name in "bc"} == {"FAILED"}
    assert "key 1, which CELERIAC_ENCRYPTION_KEYS does not hold" in (steps_now["b"].error or "")
    workflow_id = (await world.workflow()).workflow_id
    async with engine.connect() as connection:
        results, omitted = await documents.list_results(connection, workflow_id)
        (result,) = await steps.get_results(connection, workflow_id, step_ids=["a"])
    assert (results, len(omitted), result.result) == ({}, 1, None)


async def test_of_many_attempts_the_older_tracebacks_are_cut_as_ever(sealing: AsyncEngine) -> None:
    long = f"{CANARY} {'x' * 3_000} end"
    texts = [long, "y" * 20_000, None, *(["short"] * (WHOLE_ATTEMPTS - 1)), long]
    facts = []
    for number, traceback in enumerate(texts):
        raised: dict[str, Any] = {"traceback": traceback} if traceback else {}
        facts += [
            told(EventType.RECEIVED, 3 * number + 1, retries=number),
            told(EventType.RETRIED, 3 * number + 2, retries=number, **raised),
        ]
    async with sealing.begin() as connection:
        await record(connection, News(facts))
    shown: list[Any] = [attempt["traceback"] for attempt in (await read(sealing)).attempts]
    assert shown[0] == long[-1_024:]
    assert "too long to be shown" in shown[1]
    assert shown[2] is None
    assert shown[-1] == long


async def test_of_a_step_only_the_arguments_are_encrypted(sealing: AsyncEngine) -> None:
    await begin(sealing, make_workflow({"a": ()}, args={"a": [CANARY]}))
    async with sealing.connect() as connection:
        row = (await connection.execute(select(workflow_submissions))).one()
    assert row.args.startswith(MARK)
    assert row.kwargs.startswith(MARK)
    assert row.task_name
