"""Audit rows and chains of seals that tests make."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.audit_seals import AuditRow, Position, Seal, hash_of, mac_of, seal_rows

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEY = b"a-key-of-the-tests"


def audit_row(number: int, **given: Any) -> AuditRow:
    """The row of one transaction, with what the test gives instead."""
    usual: dict[str, Any] = {
        "audit_id": UUID(int=number),
        "xact": number,
        "at": NOON + timedelta(seconds=number),
        "actor_kind": "api_key",
        "actor_id": "k7Qm2ZpX4rT1",
        "actor_name": "etl",
        "action": "task.cancel",
        "subject_kind": "task",
        "subject_id": f"task-{number}",
        "outcome": "done",
        "request_id": "r",
        "address": "10.0.0.1",
        "reason": None,
        "before": {"status": "PENDING"},
        "after": {"status": "CANCELLED"},
    }
    return AuditRow(**(usual | given))


def whole(seal: Seal, key: bytes | None = KEY) -> Seal:
    """The seal with its hash, and its MAC if there is a key."""
    seal_hash = hash_of(seal)
    return replace(seal, seal_hash=seal_hash, mac=mac_of(seal_hash, key) if key else None)


def chain_of(rows: Sequence[AuditRow], *, size: int, key: bytes | None = KEY) -> list[Seal]:
    """Seals over so many rows each."""
    chain: list[Seal] = []
    for begin in range(0, len(rows), size):
        part = rows[begin : begin + size]
        ends = Position(part[-1].xact + 1, UUID(int=0))
        chain.append(whole(seal_rows(part, after=chain[-1] if chain else None, ends=ends, at=NOON), key))
    return chain
