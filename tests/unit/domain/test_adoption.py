from datetime import timedelta

from domain.adoption import adopted_at, adoptions, how_to_consume
from tests.facts import NOON

START = "Start a worker with `-Q payments`"


def test_how_a_queue_gets_a_consumer_is_told_as_it_is() -> None:
    for adopts in (True, False):
        assert how_to_consume("payments", takers=(), adopts=adopts) == f"{START}."
    assert how_to_consume("my queue", takers=(), adopts=False) == "Start a worker with `-Q 'my queue'`."
    command = "`celery -A your_app control add_consumer payments -d celery@one`"
    told = f"{START}, or let one that knows its task consume it as well: {command}."
    assert how_to_consume("payments", takers=["celery@one"], adopts=False) == told
    adopted = (
        "one knows its task and is told to consume it within seconds; otherwise start a worker with `-Q payments`."
    )
    assert how_to_consume("payments", takers=["celery@one"], adopts=True) == adopted


def test_what_an_earlier_process_was_told_is_not_so_of_this_one() -> None:
    taken_on = {"math": NOON.isoformat()}
    assert adoptions(taken_on) == {"math": NOON}
    assert adoptions(None) == {}
    assert adopted_at("math", taken_on, online_at=None) == NOON
    assert adopted_at("math", taken_on, online_at=NOON - timedelta(hours=1)) == NOON
    assert adopted_at("math", taken_on, online_at=NOON + timedelta(seconds=1)) is None
    assert adopted_at("art", taken_on, online_at=None) is None
