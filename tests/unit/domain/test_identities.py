from uuid import UUID

import pytest

from domain.identities import LEFT_OUT, MAX_ID_BYTES, MAX_NAME, Identity, combine, fits, ids_beginning, shown_name


def test_what_one_event_left_out_is_taken_from_another() -> None:
    sent = Identity("1", task_name="add", queue_name="math")
    received = Identity("1", task_name="add", args_repr="(1, 2)", root_id="1")
    assert combine([sent, received]) == {
        "1": Identity("1", task_name="add", queue_name="math", args_repr="(1, 2)", root_id="1")
    }


def test_what_is_known_is_not_replaced() -> None:
    full = Identity("1", "add", "()", "{}", "math", "1", "0")
    assert combine([full, Identity("1", task_name="sub", queue_name="other")]) == {"1": full}


def test_tasks_are_kept_apart() -> None:
    one, two = Identity("1", task_name="add"), Identity("2")
    assert combine([one, two]) == {"1": one, "2": two}


def test_an_id_is_measured_in_bytes() -> None:
    assert fits("x" * MAX_ID_BYTES)
    assert not fits("x" * (MAX_ID_BYTES + 1))
    assert not fits("\u0436" * MAX_ID_BYTES)


def test_a_long_name_ends_where_it_is_cut() -> None:
    assert shown_name("x" * MAX_NAME) == "x" * MAX_NAME
    assert shown_name("x" * (MAX_NAME + 1)) == "x" * (MAX_NAME - 1) + LEFT_OUT


def test_a_parent_is_taken_from_another_event_only_while_no_name_is_known() -> None:
    nameless, named = Identity("1", queue_name="math"), Identity("1", task_name="add")
    child = Identity("1", task_name="add", parent_id="0")
    assert combine([nameless, child])["1"] == Identity("1", task_name="add", queue_name="math", parent_id="0")
    assert combine([named, child])["1"].parent_id is None, "another parent is that of what took its place"


@pytest.mark.parametrize("text", ["0", "01a2", "01A2270d-", "01a2270d9d93", "01a2270d-9d93-769b-8979-fba3d8f2d6ad"])
def test_an_id_lies_between_the_least_and_the_greatest_that_begin_as_it_does(text: str) -> None:
    least, greatest = ids_beginning(text)
    assert least <= UUID("01a2270d-9d93-769b-8979-fba3d8f2d6ad") <= greatest
    digits = text.replace("-", "").lower()
    assert least.hex.startswith(digits)
    assert greatest.hex.startswith(digits)
    assert UUID(int=least.int - 1 if least.int else greatest.int + 1).hex[: len(digits)] != digits
