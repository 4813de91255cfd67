from domain.trees import Kin, Placed, arrange
from tests.facts import after


def kin(task_id: str, parent_id: str | None, *, age: float) -> Kin:
    return Kin(task_id, parent_id, after(-age))


def test_each_task_stands_behind_its_parent_and_siblings_by_age() -> None:
    tree = [kin("young", "root", age=1), kin("root", None, age=5), kin("leaf", "old", age=3), kin("old", "root", age=2)]
    assert arrange("root", tree) == [Placed("root", 0), Placed("old", 1), Placed("leaf", 2), Placed("young", 1)]


def test_a_task_whose_parent_is_missing_stands_below_the_root() -> None:
    assert arrange("root", [kin("a", "gone", age=1), kin("root", None, age=2)]) == [Placed("root", 0), Placed("a", 1)]


def test_a_root_that_was_never_heard_of_is_left_out() -> None:
    assert arrange("gone", [kin("a", "gone", age=2), kin("b", "a", age=1)]) == [Placed("a", 1), Placed("b", 2)]


def test_a_long_chain_is_no_trouble() -> None:
    chain = [kin(str(n), str(n - 1) if n else None, age=2000 - n) for n in range(2000)]
    assert [placed.depth for placed in arrange("0", chain)] == list(range(2000))
