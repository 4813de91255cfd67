"""Replies of many nodes to one question."""

import pickle
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from gateway.mailbox import MOST_REPLIES, PICKLE, Answers, _Replies


def test_a_name_that_two_processes_answer_to_is_heard_twice() -> None:
    answers = Answers()
    replies: list[dict[str, Any]] = [{"w@h": {"t": 1}}, {"w@h": {}}, {"other@h": {}}]
    for reply in replies:
        answers.add(reply)
    assert answers == {"w@h": {}, "other@h": {}}
    assert answers.all == [("w@h", {"t": 1}), ("w@h", {}), ("other@h", {})]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    answers = Answers()
    for _ in range(MOST_REPLIES + 2):
        answers.add({"w@h": {}})
    assert len(answers.all) == MOST_REPLIES


def test_a_pickle_of_more_than_data_is_told_and_the_others_are_heard() -> None:
    told: list[tuple[str, str]] = []
    replies = _Replies(
        ["1"], nodes=["a@test", "b@test"], bound=False, address=None, unreadable=lambda *one: told.append(one)
    )
    for node, data in (("a@test", datetime(2026, 1, 1, tzinfo=UTC)), ("b@test", {"ok": "pong"})):
        body = pickle.dumps({node: data})
        replies.receive(SimpleNamespace(headers={"ticket": "1"}, content_type=PICKLE, body=body))
    assert told == [("a@test", PICKLE)]
    assert replies.by_ticket["1"] == {"b@test": {"ok": "pong"}}
    assert replies.count == 2
