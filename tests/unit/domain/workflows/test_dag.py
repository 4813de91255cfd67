import pytest

from domain.errors import InvalidRequest
from domain.workflows.dag import MAX_EDGES, MAX_NAMED, Link, build, check_edges, first_edges, longest_path


def link(step_id: str, *needs: str) -> Link:
    return Link(step_id, [(f"{step_id}.{number}", needed) for number, needed in enumerate(needs)])


def refused(*links: Link) -> tuple[tuple[str, str], ...]:
    with pytest.raises(InvalidRequest) as caught:
        build(links)
    return caught.value.errors


def test_parents_and_children_go_by_position() -> None:
    dag = build([link("d", "b", "c"), link("b", "a"), link("c", "a", "a"), link("a")])
    assert dag.parents == ((1, 2), (3,), (3,), ())
    assert dag.children == ((), (0,), (0,), (1, 2))


def test_a_step_id_that_is_there_twice_is_refused() -> None:
    assert refused(link("a"), link("b"), link("a")) == (("steps.2.id", "step 'a' is there twice"),)


def test_every_step_that_is_needed_and_missing_is_named_with_its_field() -> None:
    assert refused(link("a", "x"), link("b", "a", "y")) == (
        ("a.0", "step 'a' needs 'x', and there is no such step"),
        ("b.1", "step 'b' needs 'y', and there is no such step"),
    )


def test_a_cycle_is_named_in_the_order_in_which_its_steps_wait() -> None:
    ((field, message),) = refused(link("z"), link("a", "z", "c"), link("b", "a"), link("c", "b"), link("behind", "c"))
    assert (field, message) == ("a.1", "the steps wait for each other in a circle: a -> b -> c -> a")


def test_a_step_that_waits_for_itself_is_a_cycle() -> None:
    assert refused(link("a", "a")) == (("a.0", "the steps wait for each other in a circle: a -> a"),)


def test_a_long_cycle_is_named_in_part() -> None:
    links = [link(f"s{n}", f"s{(n - 1) % 1000}") for n in range(1000)]
    ((_, message),) = refused(*links)
    assert message.count("->") == MAX_NAMED + 1
    assert "..." in message


def test_the_longest_path_is_the_slowest_and_else_the_one_with_most_steps() -> None:
    parents = build([link("a"), link("b", "a"), link("c", "b"), link("slow", "a")]).parents
    assert longest_path(parents, {}) == [0, 1, 2]
    assert longest_path(parents, {0: 1, 1: 1, 2: 1, 3: 5}) == [0, 3]


def test_a_workflow_may_wait_twenty_thousand_times_and_not_once_more() -> None:
    check_edges(MAX_EDGES, "steps.7")
    with pytest.raises(InvalidRequest) as caught:
        check_edges(MAX_EDGES + 1, "steps.7")
    ((field, message),) = caught.value.errors
    assert field == "steps.7"
    assert "more than 20,000 times" in message


def test_of_more_edges_than_there_may_be_the_first_are_kept_and_every_step_stays() -> None:
    wide = tuple(range(MAX_EDGES - 1))
    assert first_edges([wide, (0, 1), (2,)]) == (wide, (0,), ())
    assert first_edges([(), (0,), (0, 1)]) == ((), (0,), (0, 1))


def test_without_steps_there_is_no_longest_path() -> None:
    assert longest_path((), {}) == []
