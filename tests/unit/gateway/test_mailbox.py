from gateway.mailbox import MOST_REPLIES, Answers


def test_a_name_that_two_processes_answer_to_is_heard_twice() -> None:
    answers = Answers()
    for reply in ({"w@h": {"t": 1}}, {"w@h": {}}, {"other@h": {}}):
        answers.add(reply)
    assert answers == {"w@h": {}, "other@h": {}}
    assert answers.all == [("w@h", {"t": 1}), ("w@h", {}), ("other@h", {})]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    answers = Answers()
    for _ in range(MOST_REPLIES + 2):
        answers.add({"w@h": {}})
    assert len(answers.all) == MOST_REPLIES
