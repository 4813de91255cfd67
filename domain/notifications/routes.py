"""Routes: which alerts are told through which channels, and when: together, again while they last, and when over.

Pure: `services/notifications/messages.py` reads what is open and what has been told, and stores what is planned here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.alerts.rules import AlertType, Severity
from domain.sight import fits_patterns

MAX_ROUTES = 200
MAX_CHANNELS_OF_ROUTE = 20
MAX_SUBJECTS = 50
MAX_TOGETHER = 50
"""Alerts that one message tells of; the others follow in the next."""
LONGEST_GROUP_SECONDS = 3_600
SHORTEST_REPEAT_SECONDS, LONGEST_REPEAT_SECONDS = 60, 7 * 86_400
USUAL_GROUP_SECONDS = 30
USUAL_REPEAT_SECONDS = 4 * 3_600
LOOKED_BACK = timedelta(hours=24)
"""How long it is still told that an alert is over."""
SEVERITIES = tuple(Severity)


class Phase(StrEnum):
    """What is told of an alert."""

    RAISED = "RAISED"
    REPEATED = "REPEATED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts go to which channels; what is empty means all."""

    route_id: UUID
    channel_ids: tuple[UUID, ...]
    since: datetime
    """What was over before is not told."""
    severities: tuple[Severity, ...] = ()
    alert_types: tuple[AlertType, ...] = ()
    subjects: tuple[str, ...] = ()
    """Patterns of queues, task names, workers and whatever else alerts are about."""
    group_seconds: int = USUAL_GROUP_SECONDS
    """How long an alert waits for others, to be told together."""
    repeat_seconds: int | None = USUAL_REPEAT_SECONDS
    """How soon an alert is told again while it stays and nobody has acknowledged it; None: never."""
    send_resolved: bool = True

    def takes(self, alert: "AlertSeen") -> bool:
        """Tell whether it is for this alert."""
        return (
            (not self.severities or alert.severity in self.severities)
            and (not self.alert_types or alert.type in self.alert_types)
            and fits_patterns(alert.subject, self.subjects)
        )


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An alert that is open, or was until lately."""

    alert_id: UUID
    type: AlertType
    subject: str
    severity: Severity
    description: str
    created_at: datetime
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel that can take a message."""

    name: str
    since: datetime
    """When it was last switched on: what was over before is not told."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of an alert through a channel."""

    phase: Phase
    at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert in a message."""

    alert: AlertSeen
    phase: Phase


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be told through one channel in one message, the most severe first."""

    channel_id: UUID
    route_id: UUID
    notices: tuple[Notice, ...]


def plan_messages(
    routes: Sequence[Route],
    channels: Mapping[UUID, ChannelSeen],
    *,
    alerts: Collection[AlertSeen],
    told: Mapping[tuple[UUID, UUID], Told],
    now: datetime,
) -> list[Planned]:
    """Return the messages that are due. `channels` are those that can take one; `told` is by alert and channel.

    An alert goes to a channel by the first route that takes it, so that it is told there once.
    """
    planned = []
    for channel_id, channel in channels.items():
        leading = [route for route in routes if channel_id in route.channel_ids]
        groups: dict[UUID, list[tuple[datetime, Notice]]] = {}
        for alert in alerts:
            route = next((route for route in leading if route.takes(alert)), None)
            if route is None or _is_about(alert, channel):
                continue
            due = _due(alert, route, told=told.get((alert.alert_id, channel_id)), since=max(route.since, channel.since))
            groups.setdefault(route.route_id, []).extend(due)
        for route_id, all_due in groups.items():
            notices = _together(all_due, now)
            if notices:
                planned.append(Planned(channel_id, route_id, notices))
    return planned


def _is_about(alert: AlertSeen, channel: ChannelSeen) -> bool:
    """Whether it says that this very channel fails: through itself it would be told for ever, or never."""
    return alert.type is AlertType.NOTIFICATION_FAILING and alert.subject == channel.name


def _due(alert: AlertSeen, route: Route, *, told: Told | None, since: datetime) -> Iterator[tuple[datetime, Notice]]:
    """What is to be told of the alert, if anything, and when at the latest."""
    wait = timedelta(seconds=route.group_seconds)
    over = alert.resolved_at
    if told is None:
        if over is None or over >= since:
            phase = Phase.RAISED if over is None else Phase.RESOLVED
            yield max(alert.created_at, since) + wait, Notice(alert, phase)
    elif over is not None:
        if route.send_resolved and told.phase is not Phase.RESOLVED:
            yield over + wait, Notice(alert, Phase.RESOLVED)
    elif route.repeat_seconds is not None and alert.acknowledged_at is None:
        yield told.at + timedelta(seconds=route.repeat_seconds), Notice(alert, Phase.REPEATED)


def _together(due: list[tuple[datetime, Notice]], now: datetime) -> tuple[Notice, ...]:
    """What leaves now, if anything must: whatever is new goes along, and is not repeated sooner for that."""
    if not any(at <= now for at, _ in due):
        return ()
    notices = [notice for at, notice in due if at <= now or notice.phase is not Phase.REPEATED]
    return tuple(sorted(notices, key=_order)[:MAX_TOGETHER])


def _order(notice: Notice) -> tuple[bool, int, datetime]:
    alert = notice.alert
    return alert.resolved_at is not None, -SEVERITIES.index(alert.severity), alert.created_at
