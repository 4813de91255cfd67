"""Sealing on a real database: nothing is left out, two never seal at once, and whoever tampers is found."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain import audit_seals as seals
from domain.audit import Action, Change
from domain.audit_seals import ROWS_IN_SEAL, START, Flaw, Position, Seal, SealKind
from loops.seals import ROUND_SECONDS, SealsRound
from services import audit_seals as module
from services.audit import record_change
from services.audit_seals import Verification, seal_next, verify
from store.queries import audit_seals as queries
from store.queries import leadership
from store.queries.audit_seals import add_seal, get_last_seal, list_seals
from store.tables.audit import audit
from tests.authors import AUTHOR

KEYS = (b"a-key-of-the-tests",)


async def write(engine: AsyncEngine, *subjects: str) -> None:
    """One row for each, in a transaction of its own."""
    for subject in subjects:
        async with engine.begin() as connection:
            await record_change(connection, Change(Action.TASK_CANCEL, subject, after={"load": 0.1}), author=AUTHOR)


async def seal(engine: AsyncEngine, keys: Sequence[bytes] = KEYS) -> Seal | None:
    async with engine.begin() as connection:
        return await seal_next(connection, keys)


async def verified(engine: AsyncEngine, *, keys: Sequence[bytes] = KEYS, after: int = 0) -> Verification:
    async with engine.connect() as connection:
        snapshot = await connection.execution_options(isolation_level="REPEATABLE READ")
        return await verify(snapshot, keys, seconds=60, after=after)


async def execute(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def named(engine: AsyncEngine) -> tuple[Flaw, str | None] | None:
    """What is wrong, and the subject of the row that is named, if it is there."""
    tampering = (await verified(engine)).tampering
    if tampering is None:
        return None
    async with engine.connect() as connection:
        subjects = select(audit.c.subject_id).where(audit.c.audit_id == tampering.audit_id)
        return tampering.flaw, (await connection.execute(subjects)).scalar_one_or_none()


async def seals_of(engine: AsyncEngine) -> list[Seal]:
    async with engine.connect() as connection:
        return await list_seals(connection, after=0, limit=100)


async def test_what_is_written_is_sealed_once_and_verified(engine: AsyncEngine) -> None:
    assert await seal(engine) is None
    await write(engine, "a", "b")
    first = await seal(engine)
    assert first is not None
    assert len(first.row_ids) == 2
    assert await seal(engine) is None
    await write(engine, "c")
    second = await seal(engine)
    assert second is not None
    assert second.previous_hash == first.seal_hash
    await write(engine, "d")
    found = await verified(engine)
    assert (found.tampering, found.complete, found.seals, found.rows, found.unsealed) == (None, True, 2, 3, 1)
    assert found.seals_with_key == 2
    assert found.last_seal == second


async def test_an_aborted_transaction_leaves_no_row(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await record_change(connection, Change(Action.TASK_CANCEL, "a"), author=AUTHOR)
        await transaction.rollback()
    async with engine.connect() as connection:
        assert (await connection.execute(select(audit))).all() == []


async def test_a_row_whose_transaction_still_runs_is_waited_for(engine: AsyncEngine) -> None:
    async with engine.begin() as slow:
        await record_change(slow, Change(Action.TASK_CANCEL, "slow"), author=AUTHOR)
        await write(engine, "fast")
        assert await seal(engine) is None
    sealed = await seal(engine)
    assert sealed is not None
    assert len(sealed.row_ids) == 2
    assert await named(engine) is None


TAMPERED = {
    "UPDATE audit SET reason = 'another' WHERE audit_id = {second}": (Flaw.CHANGED, "b"),
    "UPDATE audit SET after = '{{}}' WHERE audit_id = {second}": (Flaw.CHANGED, "b"),
    "DELETE FROM audit WHERE audit_id = {second}": (Flaw.DELETED, None),
    "INSERT INTO audit SELECT gen_random_uuid(), xact, at, actor_kind, actor_id, actor_name, action, subject_kind,"
    " 'forged', outcome, request_id, address, reason, before, after FROM audit WHERE audit_id = {second}": (
        Flaw.INSERTED,
        "forged",
    ),
    "UPDATE audit AS one SET xact = other.xact FROM audit AS other WHERE one.subject_id IN ('a', 'b')"
    " AND other.subject_id IN ('a', 'b') AND one.subject_id <> other.subject_id": (Flaw.REORDERED, "a"),
    "UPDATE audit_seals SET at = at - interval '1 day' WHERE seal_no = 1": (Flaw.SEAL_CHANGED, None),
    "DELETE FROM audit_seals WHERE seal_no = 1": (Flaw.SEAL_MISSING, None),
    "UPDATE audit_seals SET mac = null WHERE seal_no = 2": (Flaw.SEAL_FORGED, None),
}


@pytest.mark.parametrize("statement", TAMPERED)
async def test_who_tampers_by_sql_is_found(engine: AsyncEngine, statement: str) -> None:
    await write(engine, "a", "b", "c")
    await seal(engine)
    await write(engine, "d")
    await seal(engine)
    assert await named(engine) is None
    second = "(SELECT audit_id FROM audit WHERE subject_id = 'b')"
    await execute(engine, statement.format(second=second))
    assert await named(engine) == TAMPERED[statement]


async def test_a_verification_goes_on_behind_the_seal_where_another_ended(engine: AsyncEngine) -> None:
    for subject in ("a", "b", "c"):
        await write(engine, subject)
        await seal(engine)
    await execute(engine, "UPDATE audit SET reason = 'x' WHERE subject_id = 'a'")
    found = await verified(engine, after=1)
    assert (found.tampering, found.seals) == (None, 2)
    assert (await verified(engine)).tampering is not None


async def test_a_verification_ends_when_its_time_is_over(engine: AsyncEngine) -> None:
    await write(engine, "a")
    await seal(engine)
    async with engine.connect() as connection:
        found = await verify(connection, KEYS, seconds=0)
    assert (found.complete, found.seals, found.tampering) == (False, 0, None)


async def test_a_long_stretch_takes_several_seals(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for number in range(ROWS_IN_SEAL + 2):
            await record_change(connection, Change(Action.TASK_CANCEL, str(number)), author=AUTHOR)
    rounds = SealsRound(engine, KEYS)
    assert await rounds.run_once() == 0
    assert await rounds.run_once() == ROUND_SECONDS
    assert [len(seal.row_ids) for seal in await seals_of(engine)] == [ROWS_IN_SEAL, 2]
    assert await named(engine) is None


async def test_a_process_that_dies_while_it_seals_leaves_nothing(engine: AsyncEngine) -> None:
    await write(engine, "a")
    async with engine.connect() as dying:
        await dying.begin()
        assert await seal_next(dying, KEYS) is not None
    assert await seals_of(engine) == []
    await SealsRound(engine, KEYS).run_once()
    (sealed,) = await seals_of(engine)
    assert len(sealed.row_ids) == 1
    assert await named(engine) is None


async def test_of_two_processes_one_seals(engine: AsyncEngine) -> None:
    await write(engine, "a")
    async with engine.begin() as first:
        assert await leadership.take(first, leadership.SEALS)
        assert await SealsRound(engine, KEYS).run_once() == ROUND_SECONDS
        assert await seals_of(engine) == []
    await asyncio.gather(*(SealsRound(engine, KEYS).run_once() for _ in range(4)))
    assert len(await seals_of(engine)) == 1


async def test_there_is_one_chain_even_without_the_lock(engine: AsyncEngine) -> None:
    await write(engine, "a")
    sealed = await seal(engine)
    assert sealed is not None
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await add_seal(connection, sealed)


async def test_old_rows_go_and_a_seal_says_so(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLD_SEALS", 2)
    for subject in ("a", "b", "c", "d"):
        await write(engine, subject)
        await seal(engine)
    rounds = SealsRound(engine, KEYS, kept_for=timedelta(hours=1))
    assert await rounds.run_once() == ROUND_SECONDS, "none is old"
    async with engine.connect() as connection:
        assert len((await connection.execute(select(audit))).all()) == 4
    kept_for = timedelta(microseconds=1)
    async with engine.begin() as connection:
        gone = await module.expire(connection, KEYS, kept_for=kept_for)
    assert gone is not None
    assert (gone.kind, gone.seal_no) == (SealKind.EXPIRED, 5)
    assert gone.expired is not None
    assert (gone.expired.seal_no, gone.expired.rows) == (2, 2)
    found = await verified(engine)
    assert (found.tampering, found.rows, found.seals) == (None, 2, 3)
    async with engine.connect() as connection:
        assert list((await connection.execute(select(audit.c.subject_id).order_by(audit.c.xact))).scalars()) == list(
            "cd"
        )
    assert await SealsRound(engine, KEYS, kept_for=kept_for).run_once() == 0
    assert (await verified(engine)).tampering is None
    await write(engine, "e")
    await seal(engine)
    found = await verified(engine)
    assert (found.tampering, found.rows) == (None, 1)
    await execute(engine, "DELETE FROM audit_seals WHERE kind = 'expired'")
    assert await named(engine) == (Flaw.SEAL_MISSING, None)


async def test_a_row_before_all_that_is_left_is_found(engine: AsyncEngine) -> None:
    for subject in ("a", "b"):
        await write(engine, subject)
        await seal(engine)
    await execute(engine, "CREATE TABLE kept AS SELECT * FROM audit WHERE subject_id = 'a'")
    async with engine.begin() as connection:
        await module.expire(connection, KEYS, kept_for=timedelta(microseconds=1))
    await write(engine, "c")
    await seal(engine)
    await execute(engine, "INSERT INTO audit SELECT * FROM kept")
    assert await named(engine) == (Flaw.INSERTED, "a")


async def test_a_restored_database_numbers_anew_and_goes_on(engine: AsyncEngine) -> None:
    """As after `pg_restore` into another server: what was written before has higher numbers than what comes."""
    await write(engine, "a", "b")
    await seal(engine)
    far = 10**12
    await execute(engine, "TRUNCATE audit_seals")
    await execute(engine, f"UPDATE audit SET xact = (xact::text::bigint + {far})::text::xid8")
    async with engine.begin() as connection:
        horizon = (await connection.execute(text("SELECT pg_current_xact_id()::text::bigint"))).scalar_one()
    await _seal_as_of(engine, horizon + far)
    await write(engine, "c")
    restart = await seal(engine)
    assert restart is not None
    assert restart.kind is SealKind.RESTARTED
    sealed = await seal(engine)
    assert sealed is not None
    assert len(sealed.row_ids) == 1
    assert await named(engine) is None
    await execute(
        engine,
        "INSERT INTO audit SELECT gen_random_uuid(), xact, at, actor_kind, actor_id, actor_name, action, subject_kind,"
        " 'forged', outcome, request_id, address, reason, before, after FROM audit WHERE subject_id = 'c'",
    )
    assert await named(engine) == (Flaw.INSERTED, "forged")


async def _seal_as_of(engine: AsyncEngine, horizon: int) -> None:
    """Seal as the server would have that is so far ahead."""
    async with engine.begin() as connection:
        ends = Position(horizon, UUID(int=0))
        _, now = await queries.read_horizon(connection)
        rows = await queries.list_stretch(connection, START, ends=ends, limit=10)
        unhashed = seals.seal_rows(rows, after=None, ends=ends, at=now)
        seal_hash = seals.hash_of(unhashed)
        await queries.add_seal(connection, replace(unhashed, seal_hash=seal_hash, mac=seals.mac_of(seal_hash, KEYS[0])))


async def test_without_a_key_the_chain_has_no_proof(engine: AsyncEngine) -> None:
    await write(engine, "a")
    sealed = await seal(engine, ())
    assert sealed is not None
    assert sealed.mac is None
    found = await verified(engine, keys=())
    assert (found.tampering, found.seals_with_key) == (None, 0)
    await write(engine, "b")
    await seal(engine)
    assert (await verified(engine)).seals_with_key == 1
    async with engine.connect() as connection:
        last = await get_last_seal(connection)
    assert last is not None
    assert last.mac is not None
    await execute(engine, "UPDATE audit_seals SET mac = '\\x00' WHERE seal_no = 2")
    assert await named(engine) == (Flaw.SEAL_FORGED, None)
