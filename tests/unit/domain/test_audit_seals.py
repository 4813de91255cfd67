from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.audit_seals import (
    EXPLANATIONS,
    NO_HASH,
    START,
    AuditRow,
    Expired,
    Flaw,
    Position,
    Seal,
    SealKind,
    Tampering,
    check_beginning,
    check_rows,
    check_seal,
    digest_of,
    seal_expired,
    seal_restart,
)
from tests.audited import KEY, NOON, audit_row, chain_of, whole

ROWS = [audit_row(number) for number in range(1, 7)]
FIRST, SECOND, THIRD = CHAIN = chain_of(ROWS, size=2)


def found(rows: Sequence[AuditRow], seal: Seal = FIRST) -> tuple[Flaw, UUID | None] | None:
    tampering = check_rows(seal, rows)
    return (tampering.flaw, tampering.audit_id) if tampering else None


def flaw_of(seal: Seal, previous: Seal | None = FIRST, *, keys: Sequence[bytes] = (KEY,)) -> Flaw | None:
    tampering = check_seal(seal, previous=previous, keys=keys)
    return tampering.flaw if tampering else None


def test_what_was_sealed_is_what_is_found() -> None:
    assert [flaw_of(SECOND), flaw_of(THIRD, SECOND), flaw_of(FIRST, None)] == [None, None, None]
    assert found(ROWS[:2]) is None
    assert check_beginning(FIRST, []) is None


@pytest.mark.parametrize("name", [name for name in AuditRow.__dataclass_fields__ if name not in ("audit_id", "xact")])
def test_whatever_of_a_row_is_changed_its_digest_tells(name: str) -> None:
    other: Any = {"before": {}, "after": {"status": "RUNNING"}, "at": NOON}.get(name, "other")
    changed = replace(ROWS[1], **dict[str, Any]({name: other}))
    assert digest_of(changed) != digest_of(ROWS[1])
    assert found([ROWS[0], changed]) == (Flaw.CHANGED, ROWS[1].audit_id)


def test_rows_are_in_the_order_of_their_transactions_and_then_of_their_ids() -> None:
    mixed = [audit_row(2, xact=7), audit_row(9, xact=6), audit_row(1, xact=7)]
    assert [row.audit_id.int for row in sorted(mixed, key=lambda row: row.position)] == [9, 1, 2]


def test_the_first_row_that_differs_is_named() -> None:
    stranger = audit_row(9, xact=1)
    assert found([ROWS[1]]) == (Flaw.DELETED, ROWS[0].audit_id)
    assert found([ROWS[0]]) == (Flaw.DELETED, ROWS[1].audit_id)
    assert found([]) == (Flaw.DELETED, ROWS[0].audit_id)
    assert found([ROWS[0], stranger, ROWS[1]]) == (Flaw.INSERTED, stranger.audit_id)
    assert found([*ROWS[:2], stranger]) == (Flaw.INSERTED, stranger.audit_id)
    assert found([ROWS[1], ROWS[0]]) == (Flaw.REORDERED, ROWS[0].audit_id)
    assert set(EXPLANATIONS) == set(Flaw)


def test_a_seal_that_was_changed_tells_so() -> None:
    other_rows = replace(SECOND, row_ids=SECOND.row_ids[:1])
    assert flaw_of(other_rows) is Flaw.SEAL_CHANGED
    assert flaw_of(whole(other_rows)) is Flaw.SEAL_CHANGED, "as many digests as rows"
    assert flaw_of(replace(SECOND, at=ROWS[0].at)) is Flaw.SEAL_CHANGED


def test_a_seal_that_is_gone_is_missed_by_the_next() -> None:
    assert flaw_of(THIRD, FIRST) is Flaw.SEAL_MISSING
    assert flaw_of(whole(replace(THIRD, seal_no=2)), FIRST) is Flaw.SEAL_MISSING
    assert flaw_of(whole(replace(SECOND, begins=START)), FIRST) is Flaw.SEAL_MISSING
    assert check_beginning(SECOND, []) == Tampering(Flaw.SEAL_MISSING, 2)
    assert check_beginning(whole(replace(FIRST, begins=Position(1, UUID(int=0)))), []) is not None
    assert check_beginning(whole(replace(FIRST, previous_hash=b"x" * 32)), []) is not None


def test_who_has_not_the_key_makes_no_seal() -> None:
    forged = whole(SECOND, b"another-key-than-ours")
    unsigned = whole(SECOND, None)
    assert flaw_of(forged) is Flaw.SEAL_FORGED
    assert flaw_of(unsigned) is Flaw.SEAL_FORGED, "once there was a key, all seals have its proof"
    assert flaw_of(forged, keys=[KEY, b"another-key-than-ours"]) is None, "a key of before"
    assert flaw_of(forged, keys=()) is None, "who has no key cannot tell"


def test_seals_from_before_there_was_a_key_have_no_proof() -> None:
    first, second = chain_of(ROWS[:4], size=2, key=None)
    assert (first.mac, flaw_of(second, first)) == (None, None)
    assert flaw_of(whole(second, KEY), first) is None


def test_what_has_expired_is_said_by_a_seal_that_the_oldest_one_follows() -> None:
    expired = Expired(1, FIRST.seal_hash, 2)
    told = whole(seal_expired(expired, after=THIRD, at=NOON))
    assert (told.kind, told.seal_no, told.begins, told.ends) == (SealKind.EXPIRED, 4, THIRD.ends, THIRD.ends)
    assert flaw_of(told, THIRD) is None
    assert check_beginning(SECOND, [expired]) is None
    assert check_beginning(THIRD, [expired]) == Tampering(Flaw.SEAL_MISSING, 3)
    assert flaw_of(replace(told, expired=Expired(1, NO_HASH, 2)), THIRD) is Flaw.SEAL_CHANGED


def test_behind_a_restart_stretches_begin_again() -> None:
    restart = whole(seal_restart(THIRD, at=NOON))
    assert (restart.kind, restart.begins, restart.ends) == (SealKind.RESTARTED, START, START)
    assert flaw_of(restart, THIRD) is None
    assert flaw_of(whole(replace(restart, kind=SealKind.ROWS)), THIRD) is Flaw.SEAL_MISSING
