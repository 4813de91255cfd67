from datetime import UTC, datetime

import pytest

from api.streams.hub import Framed, Ring
from domain.feed import Place, Told


def framed(xact: int) -> Framed:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    change = Told(Place(xact, 1), at, "task.failed", str(xact), None, None, status=None, previous=None, data={})
    return Framed(change, b"")


def ring_of(*xacts: int, most: int = 10) -> Ring:
    ring = Ring(Place(1, 0), max_changes=most)
    for xact in xacts:
        ring.add([framed(xact)], Place(xact, 1))
    return ring


def taken(ring: Ring, after: Place, *, limit: int = 10) -> tuple[list[str], Place] | None:
    portion = ring.take(after, limit=limit)
    return None if portion is None else ([each.change.subject_id for each in portion.changes], portion.ends)


def test_a_stream_takes_what_is_behind_its_place_and_goes_on_at_the_end() -> None:
    ring = ring_of(3, 5, 8)
    ring.add([], Place(12, 0))
    assert taken(ring, Place(1, 0), limit=2) == (["3", "5"], Place(5, 1))
    assert taken(ring, Place(5, 1), limit=2) == (["8"], Place(12, 0))
    assert taken(ring, Place(4, 0), limit=2) == (["5", "8"], Place(12, 0))
    assert taken(ring, Place(12, 0)) == ([], Place(12, 0))


def test_a_stream_that_is_ahead_of_the_ring_does_not_go_back() -> None:
    assert taken(ring_of(3), Place(9, 0)) == ([], Place(9, 0))


@pytest.mark.parametrize(("after", "is_within"), [(Place(0, 9), False), (Place(1, 0), True)])
def test_where_the_ring_begins(after: Place, *, is_within: bool) -> None:
    assert (taken(ring_of(3), after) is not None) is is_within


def test_what_is_old_is_pushed_out_and_only_that() -> None:
    ring = ring_of(*range(2, 8), most=2)
    held = [xact for xact in range(2, 8) if taken(ring, Place(xact, 0)) is not None]
    portion = taken(ring, Place(held[0], 0))
    assert portion == ([str(xact) for xact in held], Place(7, 1))
    assert 2 <= len(held) <= 4
    assert taken(ring, Place(held[0] - 1, 0)) is None
