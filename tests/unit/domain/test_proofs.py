from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.broker_options import BrokerOptions
from domain.consumers import CANCEL_GATE, Consumer, Consumers
from domain.proofs import (
    MOST_DISPATCHES,
    MOST_DISPATCHES_AT_RESTARTS,
    Hearing,
    ServerLife,
    Suspect,
    doubt_of_absence,
    doubt_of_resend,
    is_restarted,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=2)
BEFORE = SENT - timedelta(seconds=1)
SUSPECT = Suspect("t", "celery", SENT, life="one")


def consumer(node: str = "celery@one", *, tells: bool = True, **told: Any) -> Consumer:
    usual: dict[str, Any] = {"online": True, "queues": frozenset({"celery"}), "heard_at": NOW, "online_at": NOW}
    gates = frozenset({CANCEL_GATE} if tells else ())
    return Consumer(node=node, capabilities=gates, **(usual | told))


def hearing(*nodes: Consumer, **told: Any) -> Hearing:
    """Everyone who is online has answered, and nobody else listens."""
    replies = told.pop("replies", {node.node: 1 for node in nodes if node.online})
    usual = {"listeners": sum(replies.values()), "deaf_until": None, "stranger_at": None}
    return Hearing(consumers=Consumers(nodes), replies=replies, **(usual | told))


def test_where_all_have_answered_and_would_have_told_absence_is_proven() -> None:
    other = consumer("celery@etl", tells=False, queues=frozenset({"etl"}))
    assert doubt_of_absence(SUSPECT, hearing(consumer(), other)) is None


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (hearing(), "no worker"),
        (hearing(consumer("celery@etl", queues=frozenset({"etl"}))), "no worker"),
        (hearing(consumer(queues=None)), "no worker"),
        (hearing(consumer(), consumer("celery@new", queues=None)), "celery@new may have taken it"),
        (hearing(consumer(), listeners=2), "2 processes listen on the broker and 1 of them"),
        (hearing(consumer(), listeners=None), "Unknown processes listen"),
        (hearing(consumer(), replies={"celery@one": 1, "x": 1}), "x may have taken it"),
        (hearing(consumer(), replies={"celery@one": 2}), "several processes answer to the name celery@one"),
        (
            hearing(consumer(), consumer("celery@mu"), replies={"celery@one": 1}),
            "celery@mu takes from its queue and did",
        ),
        (
            hearing(consumer(), consumer("celery@stock", tells=False)),
            "celery@stock takes from its queue and tells",
        ),
        (hearing(consumer(), consumer("celery@left", tells=False, online=False)), "celery@left takes from its queue"),
        (hearing(consumer(), stranger_at=NOW), "A worker that is gone may have taken it"),
        (hearing(consumer(), deaf_until=NOW), "events of workers were missed"),
    ],
)
def test_whatever_stands_against_it_is_said(heard: Hearing, said: str) -> None:
    assert said in (doubt_of_absence(SUSPECT, heard) or "")


@pytest.mark.parametrize(
    "heard",
    [
        hearing(consumer(), consumer("celery@left", tells=False, online=False, heard_at=BEFORE)),
        hearing(consumer(), stranger_at=BEFORE),
        hearing(consumer(), deaf_until=BEFORE),
        hearing(consumer(streamed=True), deaf_until=NOW),
    ],
)
def test_what_was_before_it_was_sent_is_no_matter(heard: Hearing) -> None:
    assert doubt_of_absence(SUSPECT, heard) is None


def test_a_broker_that_was_started_again_explains_missed_events_and_nothing_else() -> None:
    assert doubt_of_absence(SUSPECT, hearing(consumer(), deaf_until=NOW), restarted=True) is None
    assert doubt_of_absence(SUSPECT, hearing(consumer(tells=False)), restarted=True)
    assert doubt_of_absence(SUSPECT, hearing(), restarted=True)


@pytest.mark.parametrize(
    ("life", "now", "restarted"),
    [
        ("one", ServerLife("one", NOW), False),
        ("one", ServerLife("two", SENT - timedelta(days=1)), True),
        (None, ServerLife("two", NOW), True),
        (None, ServerLife("two", SENT + timedelta(seconds=1)), False),
        ("one", ServerLife(None, BEFORE), False),
        ("one", ServerLife(None, None), False),
    ],
)
def test_another_life_or_a_later_beginning_proves_a_restart(
    life: str | None, now: ServerLife, *, restarted: bool
) -> None:
    assert is_restarted(Suspect("t", "celery", SENT, life=life), now) is restarted


@pytest.mark.parametrize(
    ("dispatches", "restarted", "again"),
    [
        (MOST_DISPATCHES - 1, False, True),
        (MOST_DISPATCHES, False, False),
        (MOST_DISPATCHES, True, True),
        (MOST_DISPATCHES_AT_RESTARTS, True, False),
    ],
)
def test_sending_again_has_an_end(dispatches: int, *, restarted: bool, again: bool) -> None:
    suspect = Suspect("t", "celery", SENT, dispatches=dispatches)
    assert (doubt_of_resend(suspect, Consumers(), restarted=restarted) is None) is again


@pytest.mark.parametrize("restarted", [True, False])
def test_what_may_lie_where_nobody_looks_is_not_sent_again(*, restarted: bool) -> None:
    gone = consumer("celery@gone", online=False)
    assert "celery@gone was there" in (doubt_of_resend(SUSPECT, Consumers([gone]), restarted=restarted) or "")
    known = consumer("celery@known", options=BrokerOptions())
    before = consumer("celery@before", online=False, heard_at=BEFORE)
    assert doubt_of_resend(SUSPECT, Consumers([known, before]), restarted=restarted) is None


@pytest.mark.parametrize(
    ("nodes", "is_lost"),
    [
        ([consumer(online_at=NOW)], True),
        ([consumer(online_at=BEFORE)], False),
        ([consumer(online_at=None)], False),
        ([consumer(online_at=BEFORE), consumer("celery@dead", online=False)], True),
    ],
)
def test_a_message_gets_lost_only_where_a_worker_ended_or_lost_its_connection(
    nodes: list[Consumer], *, is_lost: bool
) -> None:
    assert (doubt_of_absence(SUSPECT, hearing(*nodes)) is None) is is_lost
    assert doubt_of_absence(SUSPECT, hearing(*nodes), restarted=True) is None
