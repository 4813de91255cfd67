from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.workers.status import Heartbeat, newest
from tests.facts import after

times = st.integers(0, 20).map(after)
heartbeats = st.builds(
    Heartbeat,
    node=st.sampled_from(["celery@one", "celery@two"]),
    heard_at=times,
    at=times,
    online_at=st.none() | times,
    goodbye_at=st.none() | times,
    pid=st.none() | st.integers(1, 3),
    active=st.none() | st.integers(0, 3),
    processed=st.none() | st.integers(0, 3),
    streamed=st.booleans(),
    load_average=st.none() | st.tuples(st.floats(0, 4), st.floats(0, 4), st.floats(0, 4)),
)


def told(beats: list[Heartbeat]) -> dict[str, Heartbeat]:
    """Without when another life was heard: of two that beat in turns that depends on which were heard together."""
    return {node: replace(beat, other_life_at=None) for node, beat in newest(beats).items()}


@given(st.lists(heartbeats, max_size=8), st.data())
def test_the_order_in_which_heartbeats_come_does_not_matter(beats: list[Heartbeat], data: st.DataObject) -> None:
    assert told(data.draw(st.permutations(beats))) == told(beats)


@given(st.lists(heartbeats, max_size=8), st.integers(0, 8))
def test_joining_a_part_first_makes_no_difference(beats: list[Heartbeat], cut: int) -> None:
    assert told([*newest(beats[:cut]).values(), *beats[cut:]]) == told(beats)
