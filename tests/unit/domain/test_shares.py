"""Every task falls into one share, and every share belongs to one of the mirrors that work."""

from collections import Counter

import pytest

from domain.shares import MOST_SHARES, Shares, deal_out, share_of


def test_a_task_is_in_the_same_share_in_every_process() -> None:
    assert [share_of(subject, 8) for subject in ("a", "b", "018f", "", "ü", "\ud800")] == [3, 1, 4, 0, 5, 0]


@pytest.mark.parametrize("count", [1, 2, 8, MOST_SHARES])
def test_tasks_fall_evenly_into_shares(count: int) -> None:
    tasks = Counter(share_of(f"task-{number}", count) for number in range(10_000))
    assert set(tasks) == set(range(count))
    assert max(tasks.values()) < 1.5 * min(tasks.values())


@pytest.mark.parametrize("mirrors", [["a"], ["a", "b"], ["b", "c", "a"], ["d", "a", "c", "b", "e"]])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_each_share_is_dealt_to_one_mirror_and_they_have_alike_many(mirrors: list[str], count: int) -> None:
    dealt = [deal_out(mirror, mirrors, count=count) for mirror in mirrors]
    assert sorted(share for shares in dealt for share in shares.owned) == list(range(count))
    sizes = [len(shares.owned) for shares in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert {shares.alone for shares in dealt} == {len(mirrors) == 1}


@pytest.mark.parametrize("mirrors", [["a", "b"], ["b", "c", "a"], ["d", "a", "c", "b", "e"]])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_all_that_is_for_one_mirror_has_one_place_among_its_shares(mirrors: list[str], count: int) -> None:
    dealt = [deal_out(mirror, mirrors, count=count) for mirror in mirrors]
    for subject in map(str, range(100)):
        (place,) = {shares.place_of(subject) for shares in dealt}
        (owner,) = (shares for shares in dealt if share_of(subject, count) in shares.owned)
        assert place == min(owner.owned)


def test_who_is_not_among_the_others_owns_nothing_and_who_knows_of_no_others_owns_all() -> None:
    assert deal_out("a", ["b"], count=4) == Shares(4, frozenset(), alone=False, mirrors=1)
    assert deal_out("a", [], count=4) == Shares(4, frozenset(range(4)), alone=True)
