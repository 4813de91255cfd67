"""Seals: what makes it visible that somebody has changed audit rows behind our back.

A seal lists the rows of one stretch, in the order of their transactions, with the digest of each. It hashes what it
says together with the hash of the seal before it, so that seals are a chain; with a key it also has a MAC, which
nobody makes without the key. Rows are sealed after they were written, so that no writer waits for another. Nothing
here reads or writes the database.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

ROWS_IN_SEAL = 500
NO_HASH = bytes(32)
"""The hash before the first seal."""
DIGEST_SIZE = 32


class SealKind(StrEnum):
    """What a seal says."""

    ROWS = "rows"
    """A list of all rows of this stretch."""
    EXPIRED = "expired"
    """The rows up to a seal have reached the end of their time and went, with their seals."""
    RESTARTED = "restarted"
    """The database numbers its transactions anew: it was restored from a dump. Stretches begin again."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of rows: the transaction that wrote one, and its id."""

    xact: int
    audit_id: UUID


START = Position(0, UUID(int=0))


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row, as it is stored."""

    audit_id: UUID
    xact: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    outcome: str
    request_id: str | None
    address: str | None
    reason: str | None
    before: dict[str, object]
    after: dict[str, object]

    @property
    def position(self) -> Position:
        """The place of the row in the order of all."""
        return Position(self.xact, self.audit_id)


@dataclass(frozen=True, slots=True)
class Expired:
    """What has gone at the end of its time."""

    seal_no: int
    """The last seal that went."""
    seal_hash: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain."""

    seal_no: int
    kind: SealKind
    begins: Position
    """The place from which it lists all rows."""
    ends: Position
    """The place before which it does."""
    row_ids: tuple[UUID, ...]
    digests: bytes = field(repr=False)
    """The digests of the rows, in the same order, one behind the other."""
    previous_hash: bytes
    at: datetime
    seal_hash: bytes = b""
    mac: bytes | None = None
    """A proof that whoever sealed had the key; None where there was none."""
    expired: Expired | None = None

    def digest_of(self, index: int) -> bytes:
        """Return the digest of one row."""
        return self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE]


class Flaw(StrEnum):
    """How what is found differs from what was sealed."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    SEAL_FORGED = "seal_forged"


EXPLANATIONS = {
    Flaw.CHANGED: "This row is not what it was when it was sealed.",
    Flaw.DELETED: "This row was sealed and is gone.",
    Flaw.INSERTED: "This row stands among sealed rows and was not there when they were sealed.",
    Flaw.REORDERED: "This row does not stand where it was sealed.",
    Flaw.SEAL_CHANGED: "This seal is not what it was when it was made.",
    Flaw.SEAL_MISSING: "A seal before this one is gone.",
    Flaw.SEAL_FORGED: "This seal was not made with the key of CELERIAC_AUDIT_KEY.",
}


@dataclass(frozen=True, slots=True)
class Tampering:
    """The first thing that is not as it was sealed."""

    flaw: Flaw
    seal_no: int
    audit_id: UUID | None = None
    """The row; None where it is the seal."""


def digest_of(row: AuditRow) -> bytes:
    """Return the SHA-256 of everything that a row says."""
    values = [getattr(row, name) for name in AuditRow.__dataclass_fields__]
    return _hash(values)


def seal_rows(rows: Sequence[AuditRow], *, after: Seal | None, ends: Position, at: datetime) -> Seal:
    """Return the seal of all rows from the end of the last one to this place, without its hash."""
    return Seal(
        seal_no=after.seal_no + 1 if after else 1,
        kind=SealKind.ROWS,
        begins=after.ends if after else START,
        ends=ends,
        row_ids=tuple(row.audit_id for row in rows),
        digests=b"".join(map(digest_of, rows)),
        previous_hash=after.seal_hash if after else NO_HASH,
        at=at,
    )


def seal_expired(expired: Expired, *, after: Seal, at: datetime) -> Seal:
    """Return the seal which says that rows have gone, without its hash."""
    return _without_rows(SealKind.EXPIRED, after=after, place=after.ends, at=at, expired=expired)


def seal_restart(after: Seal, *, at: datetime) -> Seal:
    """Return the seal behind which stretches begin again, without its hash."""
    return _without_rows(SealKind.RESTARTED, after=after, place=START, at=at)


def hash_of(seal: Seal) -> bytes:
    """Return the hash of everything that a seal says, with that of the seal before it."""
    expired = seal.expired
    return _hash(
        [
            seal.seal_no,
            seal.kind.value,
            seal.begins.xact,
            seal.begins.audit_id,
            seal.ends.xact,
            seal.ends.audit_id,
            list(map(str, seal.row_ids)),
            seal.digests,
            seal.previous_hash,
            seal.at,
            [expired.seal_no, expired.seal_hash.hex(), expired.rows] if expired else None,
        ]
    )


def mac_of(seal_hash: bytes, key: bytes) -> bytes:
    """Return the proof that whoever has this hash has the key."""
    return hmac.digest(key, seal_hash, "sha256")


def check_seal(seal: Seal, *, previous: Seal | None, keys: Sequence[bytes]) -> Tampering | None:
    """Return what is wrong with a seal itself, or with its place behind the one before; None if nothing is.

    Without a `previous` nothing is said of its place. Seals without a MAC come only before the first that has one:
    from the time before there was a key.
    """
    if hash_of(seal) != seal.seal_hash or len(seal.digests) != DIGEST_SIZE * len(seal.row_ids):
        return Tampering(Flaw.SEAL_CHANGED, seal.seal_no)
    if previous is not None and not _follows(seal, previous):
        return Tampering(Flaw.SEAL_MISSING, seal.seal_no)
    lost_key = seal.mac is None and previous is not None and previous.mac is not None
    if lost_key or (keys and seal.mac is not None and not _is_made_with(seal, keys)):
        return Tampering(Flaw.SEAL_FORGED, seal.seal_no)
    return None


def check_beginning(first: Seal, expired: Sequence[Expired]) -> Tampering | None:
    """Return what is wrong with the oldest seal that there is: none is missing before it, or those that are expired."""
    begins_chain = first.seal_no == 1 and first.previous_hash == NO_HASH and first.begins == START
    follows_expired = any(
        gone.seal_no + 1 == first.seal_no and gone.seal_hash == first.previous_hash for gone in expired
    )
    return None if begins_chain or follows_expired else Tampering(Flaw.SEAL_MISSING, first.seal_no)


def check_rows(seal: Seal, rows: Sequence[AuditRow]) -> Tampering | None:
    """Return the first row of the stretch, in order, that is not as it was sealed; None if all are."""
    found = [row.audit_id for row in rows]
    for index, sealed_id in enumerate(seal.row_ids):
        if index >= len(rows) or found[index] != sealed_id:
            return _displaced(seal, found, index=index)
        if digest_of(rows[index]) != seal.digest_of(index):
            return Tampering(Flaw.CHANGED, seal.seal_no, sealed_id)
    if len(rows) > len(seal.row_ids):
        return Tampering(Flaw.INSERTED, seal.seal_no, found[len(seal.row_ids)])
    return None


def _displaced(seal: Seal, found: Sequence[UUID], *, index: int) -> Tampering:
    """What happened where another row stands than was sealed, or none."""
    sealed_id = seal.row_ids[index]
    if index < len(found) and found[index] not in set(seal.row_ids):
        return Tampering(Flaw.INSERTED, seal.seal_no, found[index])
    flaw = Flaw.REORDERED if sealed_id in set(found) else Flaw.DELETED
    return Tampering(flaw, seal.seal_no, sealed_id)


def _without_rows(
    kind: SealKind, *, after: Seal, place: Position, at: datetime, expired: Expired | None = None
) -> Seal:
    return Seal(after.seal_no + 1, kind, place, place, (), b"", after.seal_hash, at, expired=expired)


def _follows(seal: Seal, previous: Seal) -> bool:
    is_next = seal.seal_no == previous.seal_no + 1 and seal.previous_hash == previous.seal_hash
    return is_next and (seal.kind is SealKind.RESTARTED or seal.begins == previous.ends)


def _is_made_with(seal: Seal, keys: Sequence[bytes]) -> bool:
    return any(hmac.compare_digest(mac_of(seal.seal_hash, key), seal.mac or b"") for key in keys)


_TEXTS: dict[type, Callable[..., str]] = {
    datetime: lambda value: value.astimezone(UTC).isoformat(),
    bytes: lambda value: value.hex(),
}


def _hash(values: Sequence[object]) -> bytes:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=_text_of)
    return sha256(text.encode()).digest()


def _text_of(value: object) -> str:
    return _TEXTS.get(type(value), str)(value)
