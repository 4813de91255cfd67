"""Whatever is done to sealed rows or to their seals is found, and the row that is named is the first that differs."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.audit_seals import AuditRow, Flaw, Seal, Tampering, check_beginning, check_rows, check_seal
from tests.audited import KEY, audit_row, chain_of, whole

COUNTS = st.integers(1, 12)
SIZES = st.integers(1, 5)
PLACES = st.integers(0, 11)


def verify(chain: list[Seal], rows: list[AuditRow]) -> Tampering | None:
    """What `services.audit_seals` does with rows of the database."""
    previous: Seal | None = None
    if chain and (tampering := check_beginning(chain[0], [])):
        return tampering
    in_order = sorted(rows, key=lambda row: row.position)
    for seal in chain:
        stretch = [row for row in in_order if seal.begins <= row.position < seal.ends]
        tampering = check_seal(seal, previous=previous, keys=[KEY]) or check_rows(seal, stretch)
        if tampering is not None:
            return tampering
        previous = seal
    return None


def sealed(count: int, size: int) -> tuple[list[Seal], list[AuditRow]]:
    rows = [audit_row(2 * number) for number in range(1, count + 1)]
    return chain_of(rows, size=size), rows


@given(COUNTS, SIZES)
def test_what_nobody_touched_is_whole(count: int, size: int) -> None:
    assert verify(*sealed(count, size)) is None


@given(COUNTS, SIZES, PLACES, st.sampled_from(["actor_id", "reason", "subject_id", "after"]))
def test_a_changed_row_is_named(count: int, size: int, place: int, name: str) -> None:
    chain, rows = sealed(count, size)
    place %= count
    rows[place] = replace(rows[place], **dict[str, Any]({name: {"status": "x"} if name == "after" else "x"}))
    assert verify(chain, rows) == Tampering(Flaw.CHANGED, place // size + 1, rows[place].audit_id)


@given(COUNTS, SIZES, PLACES)
def test_a_deleted_row_is_named(count: int, size: int, place: int) -> None:
    chain, rows = sealed(count, size)
    place %= count
    gone = rows.pop(place)
    assert verify(chain, rows) == Tampering(Flaw.DELETED, place // size + 1, gone.audit_id)


@given(COUNTS, SIZES, PLACES)
def test_an_inserted_row_is_named(count: int, size: int, place: int) -> None:
    chain, rows = sealed(count, size)
    place %= count
    stranger = audit_row(99, xact=rows[place].xact - 1)
    tampering = verify(chain, [*rows, stranger])
    assert tampering is not None
    assert (tampering.flaw, tampering.audit_id) == (Flaw.INSERTED, stranger.audit_id)


@given(st.integers(2, 12), SIZES, PLACES, PLACES)
def test_rows_that_have_changed_places_are_found(count: int, size: int, one: int, other: int) -> None:
    chain, rows = sealed(count, size)
    one %= count - 1
    other = one + 1 + other % (count - 1 - one)
    rows[one], rows[other] = (
        replace(rows[one], xact=rows[other].xact),
        replace(rows[other], xact=rows[one].xact),
    )
    tampering = verify(chain, rows)
    assert tampering is not None
    assert tampering.seal_no == one // size + 1
    assert tampering.audit_id in {rows[one].audit_id, rows[other].audit_id}


@given(COUNTS, SIZES, PLACES, st.booleans())
def test_without_the_key_no_seal_is_made_that_passes(count: int, size: int, place: int, rechained: bool) -> None:
    """Who changes a row and its seal, and even all seals behind it, lacks the key."""
    chain, rows = sealed(count, size)
    place %= len(chain)
    first = place * size
    rows[first] = replace(rows[first], reason="another")
    forged = chain_of(rows, size=size, key=b"what-a-thief-may-think-of")
    chain = [*chain[:place], *forged[place:]] if rechained else [*chain[:place], forged[place], *chain[place + 1 :]]
    tampering = verify(chain, rows)
    assert tampering is not None
    assert tampering.flaw in {Flaw.SEAL_FORGED, Flaw.SEAL_MISSING}


@given(COUNTS, SIZES, PLACES)
def test_a_missing_seal_is_found_unless_it_was_the_last(count: int, size: int, place: int) -> None:
    chain, rows = sealed(count, size)
    place %= len(chain)
    del chain[place]
    tampering = verify(chain, rows)
    assert (tampering is None) == (place == len(chain))
    assert tampering is None or tampering.flaw is Flaw.SEAL_MISSING


@given(COUNTS, SIZES)
def test_the_same_rows_make_the_same_seals(count: int, size: int) -> None:
    assert sealed(count, size) == sealed(count, size)
    chain, _ = sealed(count, size)
    assert [whole(seal) for seal in chain] == chain
    assert len({seal.seal_hash for seal in chain}) == len(chain)
    assert all(seal.row_ids[0] != UUID(int=0) for seal in chain)
