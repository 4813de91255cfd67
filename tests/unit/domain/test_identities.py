from domain.identities import Identity, combine


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
