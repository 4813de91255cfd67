from datetime import timedelta

import pytest
from celeriac_worker import version

from domain.workers.control import (
    OLDEST_PROTOCOL,
    PLUGIN_VERSION,
    PROTOCOL,
    RESIZE_SETTLES,
    Capability,
    Desired,
    DrainState,
    Observed,
    common_capabilities,
    drain_state,
    fetches_as_desired,
    is_converged,
    is_sized_as_desired,
    own_queues,
    resize_base,
)
from tests.facts import NOON

WORKING = Observed(pool="prefork", concurrency=2, consuming=("a", "b"), paused=False)
STANDING = Observed(pool="prefork", concurrency=2, consuming=(), paused=True)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("observed", "capabilities"),
    [
        (Observed(pool="prefork"), {"drain", "terminate", "time_limits", "resize"}),
        (Observed(pool="gevent"), {"drain", "terminate", "time_limits", "resize"}),
        (Observed(pool="prefork", autoscales=True), {"drain", "terminate", "time_limits"}),
        (Observed(pool="solo"), {"drain"}),
        (Observed(pool="prefork", announced=("pause",)), {"pause"}),
    ],
)
def test_a_plugin_is_believed_and_without_its_word_it_is_a_stock_worker(
    observed: Observed, capabilities: set[str]
) -> None:
    assert set(observed.capabilities) == capabilities
    assert observed.pauses_exactly is ("pause" in capabilities)
    assert observed.is_resizable is (Capability.RESIZE in capabilities)


@pytest.mark.parametrize(
    ("protocol", "oldest_protocol", "common"),
    [
        (PROTOCOL, None, ("pause",)),
        (PROTOCOL, PROTOCOL, ("pause",)),
        (PROTOCOL + 1, OLDEST_PROTOCOL, ("pause",)),
        (PROTOCOL + 1, None, ()),
        (PROTOCOL + 2, PROTOCOL + 1, ()),
        (OLDEST_PROTOCOL - 1, OLDEST_PROTOCOL - 1, ()),
        (None, None, ()),
        (None, PROTOCOL, ()),
    ],
)
def test_of_another_plugin_holds_what_both_know_if_they_share_a_protocol(
    protocol: int | None, oldest_protocol: int | None, common: tuple[str, ...]
) -> None:
    told = ("pause", "flies")
    assert common_capabilities(told, protocol=protocol, oldest_protocol=oldest_protocol) == common


def test_both_sides_are_of_one_release_and_speak_alike() -> None:
    assert (version.PROTOCOL, version.OLDEST_PROTOCOL, version.__version__) == (
        PROTOCOL,
        OLDEST_PROTOCOL,
        PLUGIN_VERSION,
    )


@pytest.mark.parametrize(
    ("desired", "working", "standing"),
    [
        (Desired(), True, True),
        (Desired(paused=True), False, True),
        (Desired(draining=True), False, True),
        (Desired(paused=False, draining=True), False, True),
        (Desired(paused=False), True, False),
    ],
)
def test_fetching_is_held_against_what_is_wanted_and_left_alone_where_nothing_is(
    desired: Desired, working: bool, standing: bool
) -> None:
    assert fetches_as_desired(desired, WORKING, queues=("a", "b")) is working
    assert fetches_as_desired(desired, STANDING, queues=("a", "b")) is standing


def test_a_resumed_worker_is_back_only_when_it_fetches_from_all_its_queues() -> None:
    assert not fetches_as_desired(Desired(paused=False), WORKING, queues=("a", "b", "c"))
    assert not fetches_as_desired(Desired(paused=False), Observed(), queues=())


@pytest.mark.parametrize(("capacity", "sized"), [(None, True), (2, True), (3, False)])
def test_the_size_is_as_wanted_or_nobody_wants_one(capacity: int | None, sized: bool) -> None:
    desired = Desired(capacity=capacity)
    assert is_sized_as_desired(desired, WORKING) is sized
    assert is_converged(desired, WORKING, queues=(), online=True) is sized


def test_offline_only_the_absence_of_wishes_is_converged_and_draining_never_is() -> None:
    assert is_converged(Desired(), Observed(), queues=(), online=False)
    assert is_converged(Desired(paused=False), Observed(), queues=(), online=False)
    assert not is_converged(Desired(paused=True), STANDING, queues=(), online=False)
    assert not is_converged(Desired(capacity=2), WORKING, queues=(), online=False)
    assert not is_converged(Desired(draining=True), STANDING, queues=(), online=True)


@pytest.mark.parametrize(
    ("known", "told", "stands_still", "restarted", "own"),
    [
        (["a", "b"], ["c"], False, False, ["c"]),
        (["a", "b"], [], True, False, ["a", "b"]),
        (["a", "b"], ["c"], True, False, ["a", "b", "c"]),
        (["a", "b"], ["c"], True, True, ["c"]),
        (["a", "b"], [], True, True, ["a", "b"]),
    ],
)
def test_queues_are_remembered_while_a_worker_stands_still_and_a_new_process_begins_with_its_own(
    known: list[str], told: list[str], stands_still: bool, restarted: bool, own: list[str]
) -> None:
    assert own_queues(known, told, stands_still=stands_still, restarted=restarted) == own


def test_a_drain_is_overdue_after_its_deadline_and_drained_once_it_is_over_all_the_same() -> None:
    assert drain_state(deadline_at=None, finished_at=None, now=NOON) is DrainState.DRAINING
    assert drain_state(deadline_at=NOON, finished_at=None, now=NOON) is DrainState.DRAINING
    assert drain_state(deadline_at=NOON, finished_at=None, now=NOON + SECOND) is DrainState.OVERDUE
    assert drain_state(deadline_at=NOON, finished_at=NOON + SECOND, now=NOON + SECOND) is DrainState.DRAINED


def test_a_change_of_size_counts_from_what_was_ordered_until_it_must_have_been_seen() -> None:
    def base(target: int | None, seconds: float | None) -> int:
        at = None if seconds is None else NOON - timedelta(seconds=seconds)
        return resize_base(target=target, target_at=at, concurrency=2, now=NOON)

    assert base(8, 1) == 8
    assert base(8, RESIZE_SETTLES.total_seconds()) == 2
    assert base(None, 1) == base(8, None) == 2
