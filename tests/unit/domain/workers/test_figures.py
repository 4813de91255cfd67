from datetime import datetime

import pytest

from domain.workers.figures import Ends, uptime_seconds, utilization
from tests.facts import after


def test_the_rate_is_that_of_a_minute() -> None:
    assert Ends(completed=7, failed=2, cancelled=1).per_minute == 10.0
    assert Ends().per_minute == 0.0


def test_the_error_rate_is_the_share_of_failures_and_none_where_nothing_ended() -> None:
    assert Ends(completed=2, failed=1, cancelled=1).error_rate == 25.0
    assert Ends().error_rate is None


def up(
    *, online: datetime | None, goodbye: datetime | None = None, event: datetime | None, heard: datetime | None
) -> int | None:
    return uptime_seconds(
        online_at=online, goodbye_at=goodbye, last_event_at=event, last_heartbeat_at=heard, now=after(100)
    )


def test_the_uptime_does_not_depend_on_the_nodes_clock() -> None:
    # Its clock is an hour ahead: it was online for 50 s when it was heard, 10 s ago.
    assert up(online=after(3600), event=after(3650), heard=after(90)) == 60


def test_an_uptime_is_never_negative() -> None:
    assert up(online=after(10), event=after(5), heard=after(101)) == 0


@pytest.mark.parametrize("missing", ["online", "event", "heard"])
def test_without_its_start_there_is_no_uptime(missing: str) -> None:
    times: dict[str, datetime | None] = {"online": after(0), "event": after(50), "heard": after(90)}
    assert up(**times | {missing: None}) is None


def test_a_start_that_was_not_heard_after_a_goodbye_is_unknown() -> None:
    assert up(online=after(0), goodbye=after(20), event=after(50), heard=after(90)) is None
    assert up(online=after(30), goodbye=after(20), event=after(50), heard=after(90.5)) == 29


def test_utilization_is_a_share_and_never_above_one() -> None:
    assert utilization(running=3, capacity=5) == 0.6
    assert utilization(running=6, capacity=5) == 1.0
    assert utilization(running=0, capacity=5) == 0.0


def test_of_a_capacity_that_is_not_known_no_share_is_invented() -> None:
    assert utilization(running=1, capacity=None) is None
    assert utilization(running=1, capacity=0) is None
