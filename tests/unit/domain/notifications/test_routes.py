"""Which alerts go where, together, again, and when they are over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.alerts.rules import AlertType, Severity
from domain.notifications.routes import (
    MAX_TOGETHER,
    AlertSeen,
    ChannelSeen,
    Phase,
    Planned,
    Route,
    Told,
    plan_messages,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAIL, CHAT = UUID(int=1), UUID(int=2)
FIRST, SECOND = UUID(int=11), UUID(int=12)
CHANNELS = {MAIL: ChannelSeen("mail", NOON), CHAT: ChannelSeen("chat", NOON)}
DEEP = AlertSeen(UUID(int=21), AlertType.HIGH_QUEUE_DEPTH, "etl.daily", Severity.WARNING, "Deep", NOON)
NOBODY = AlertSeen(UUID(int=22), AlertType.NO_ACTIVE_WORKERS, "", Severity.CRITICAL, "Nobody works", NOON)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def route(route_id: UUID = FIRST, *channels: UUID, **changed: Any) -> Route:
    return Route(route_id, channels or (MAIL,), NOON, **({"group_seconds": 30, "repeat_seconds": 600} | changed))


def planned(
    *alerts: AlertSeen,
    routes: tuple[Route, ...] = (route(),),
    told: dict[tuple[UUID, UUID], Told] | None = None,
    at: float = 30,
) -> list[Planned]:
    return plan_messages(routes, CHANNELS, alerts=alerts, told=told or {}, now=after(at))


def phases(messages: list[Planned]) -> list[list[tuple[AlertType, Phase]]]:
    return [[(notice.alert.type, notice.phase) for notice in message.notices] for message in messages]


@pytest.mark.parametrize(
    ("conditions", "takes_deep", "takes_nobody"),
    [
        ({}, True, True),
        ({"severities": (Severity.CRITICAL,)}, False, True),
        ({"alert_types": (AlertType.HIGH_QUEUE_DEPTH, AlertType.STUCK_TASKS)}, True, False),
        ({"subjects": ("etl.daily",)}, True, False),
        ({"subjects": ("other", "etl.*")}, True, False),
        ({"subjects": ("etl",)}, False, False),
        ({"severities": (Severity.WARNING,), "subjects": ("other",)}, False, False),
    ],
)
def test_a_route_takes_what_all_of_its_conditions_take(
    conditions: dict[str, Any], takes_deep: bool, takes_nobody: bool
) -> None:
    assert route(**conditions).takes(DEEP) is takes_deep
    assert route(**conditions).takes(NOBODY) is takes_nobody


def test_alerts_wait_for_others_and_leave_together_with_the_worst_first() -> None:
    late = replace(NOBODY, created_at=after(29))
    assert planned(DEEP, late, at=29) == []
    (message,) = planned(DEEP, late, at=30)
    assert (message.channel_id, message.route_id) == (MAIL, FIRST)
    assert phases([message]) == [[(NOBODY.type, Phase.RAISED), (DEEP.type, Phase.RAISED)]]


def test_an_alert_goes_to_a_channel_once_by_the_first_route_that_takes_it() -> None:
    routes = (route(FIRST, MAIL, severities=(Severity.CRITICAL,)), route(SECOND, MAIL, CHAT))
    messages = planned(DEEP, NOBODY, routes=routes)
    assert [(message.channel_id, message.route_id, len(message.notices)) for message in messages] == [
        (MAIL, SECOND, 1),
        (MAIL, FIRST, 1),
        (CHAT, SECOND, 2),
    ]


def test_what_was_told_is_not_told_again_before_its_time() -> None:
    told = {(DEEP.alert_id, MAIL): Told(Phase.RAISED, after(30))}
    assert planned(DEEP, told=told, at=629) == []
    assert phases(planned(DEEP, told=told, at=630)) == [[(DEEP.type, Phase.REPEATED)]]
    assert planned(DEEP, told=told, routes=(route(repeat_seconds=None),), at=10_000) == []


def test_what_somebody_has_acknowledged_is_not_repeated() -> None:
    told = {(DEEP.alert_id, MAIL): Told(Phase.RAISED, after(30))}
    assert planned(replace(DEEP, acknowledged_at=after(40)), told=told, at=10_000) == []


def test_a_repetition_does_not_come_sooner_because_something_else_is_told() -> None:
    told = {(DEEP.alert_id, MAIL): Told(Phase.RAISED, after(30))}
    late = replace(NOBODY, created_at=after(100))
    assert phases(planned(DEEP, late, told=told, at=130)) == [[(NOBODY.type, Phase.RAISED)]]
    # But what is new goes along with a repetition.
    late = replace(NOBODY, created_at=after(620))
    assert phases(planned(DEEP, late, told=told, at=630)) == [
        [(NOBODY.type, Phase.RAISED), (DEEP.type, Phase.REPEATED)]
    ]


def test_that_an_alert_is_over_is_told_once_if_it_is_wanted() -> None:
    over = replace(DEEP, resolved_at=after(100))
    told = {(DEEP.alert_id, MAIL): Told(Phase.RAISED, after(30))}
    assert planned(over, told=told, at=129) == []
    assert phases(planned(over, told=told, at=130)) == [[(DEEP.type, Phase.RESOLVED)]]
    assert planned(over, told=told, routes=(route(send_resolved=False),), at=1_000) == []
    assert planned(over, told={(DEEP.alert_id, MAIL): Told(Phase.RESOLVED, after(130))}, at=1_000) == []


def test_an_alert_that_is_over_before_its_turn_is_told_all_the_same() -> None:
    assert phases(planned(replace(DEEP, resolved_at=after(10)), at=30)) == [[(DEEP.type, Phase.RESOLVED)]]


def test_what_was_over_before_there_was_a_route_or_a_channel_is_not_told() -> None:
    past = replace(DEEP, created_at=after(-100), resolved_at=after(-1))
    assert planned(past, at=1_000) == []
    still = replace(DEEP, created_at=after(-100))
    assert planned(still, at=29) == []
    assert len(planned(still, at=30)) == 1
    early = (replace(route(), since=after(-1_000)),)
    assert planned(past, routes=early, at=1_000) == []


def test_that_a_channel_fails_is_told_through_others_only() -> None:
    failing = replace(DEEP, type=AlertType.NOTIFICATION_FAILING, subject="mail")
    assert planned(failing) == []
    (message,) = planned(failing, routes=(route(FIRST, MAIL, CHAT),))
    assert message.channel_id == CHAT


def test_a_message_has_a_bound_and_the_rest_follows() -> None:
    many = [replace(DEEP, alert_id=UUID(int=100 + number)) for number in range(MAX_TOGETHER + 1)]
    (message,) = planned(*many)
    assert len(message.notices) == MAX_TOGETHER
    told = {(notice.alert.alert_id, MAIL): Told(Phase.RAISED, after(30)) for notice in message.notices}
    (rest,) = planned(*many, told=told)
    assert len(rest.notices) == 1
