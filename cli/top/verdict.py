"""The sentence that answers first: is something wrong, and what. Pure.

It is that of `dashboard/src/logic/verdict.ts`, to the letter; `dashboard/tests/said.json` holds both to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.top.situation import Json, Situation, seconds_since
from cli.top.words import about, duration, percent, whole
from domain.sentences import plural

FAR_TOO_LONG_SECONDS = 60
MANY_FAIL_PERCENT = 20

Tone = Literal["ok", "warning", "critical", "unknown", "empty"]


@dataclass(frozen=True, slots=True)
class Headline:
    """What is wrong, or that all is well, and how the rest is."""

    tone: Tone
    text: str
    rest: str = ""


def verdict_of(it: Situation) -> Headline:
    """Return what to say first. The worst is said; how many more there are comes after it."""
    found = list(_troubles(it))
    if found:
        return Headline(*found[0], _rest_of(len(found) - 1))
    if it.health is None and it.stats is None:
        return Headline("unknown", "Not known yet.")
    if it.stats is not None and it.stats["total_tasks_submitted"] == 0:
        return Headline("empty", "Ready. No task has been submitted yet.")
    return Headline("ok", "All well.", _calm(it))


_Trouble = tuple[Tone, str]


def _troubles(it: Situation) -> Iterator[_Trouble]:
    if it.health is not None and it.health["status"] == "unhealthy":
        yield "critical", "The database does not answer: what you see is old, and new tasks are refused."
    alerts = sorted(it.alerts or (), key=lambda alert: (alert["acknowledged"], alert["created_at"]))
    for alert in alerts:
        if alert["severity"] == "CRITICAL":
            yield "critical", _of_alert(alert, it.now)
    yield from _down(it, alerts)
    for alert in alerts:
        if alert["severity"] != "CRITICAL" and not alert["acknowledged"]:
            yield "warning", _of_alert(alert, it.now)
    yield from _unserved(it, alerts)
    yield from _marked(it)
    yield from _refused_and_failing(it, alerts)


def _down(it: Situation, alerts: Sequence[Json]) -> Iterator[_Trouble]:
    for part in (it.resilience or {}).get("components", ()):
        name = part["name"]
        if part["status"] != "unhealthy" or name == "database" or _told(alerts, "COMPONENT_DOWN", subject=name):
            continue
        silence = about(seconds_since(part["since"], it.now))
        yield "critical", f"The {name.replace('_', ' ')} has not answered for {silence}."


def _unserved(it: Situation, alerts: Sequence[Json]) -> Iterator[_Trouble]:
    without = [queue for queue in it.queues or () if queue["active_consumers"] == 0 and (queue["waiting"] or 0) > 0]
    for queue in sorted(without, key=lambda queue: -queue["waiting"]):
        name, waiting, since = queue["queue_name"], queue["waiting"], queue["oldest_waiting_at"]
        if _told(alerts, "TASKS_NOT_PICKED_UP", subject=name):
            continue
        oldest = f", the oldest for {about(seconds_since(since, it.now))}" if since else ""
        waits = plural(waiting, "task waits", "tasks wait")
        who = "Nobody consumes" if queue["consumers"] == 0 else "No worker takes from"
        yield "warning", f"{who} {name}: {waits}{oldest}."


def _marked(it: Situation) -> Iterator[_Trouble]:
    for mark in (it.resilience or {}).get("degradation", {}).get("marks", ()):
        name = mark["service_name"]
        yield (
            "warning",
            (f"{name} fails and is kept away from." if mark["automatic"] else f"{name} is marked as degraded."),
        )


def _refused_and_failing(it: Situation, alerts: Sequence[Json]) -> Iterator[_Trouble]:
    parked = it.stats["parked"] if it.stats is not None else 0
    if parked > 0:
        yield "warning", f"The broker refuses {plural(parked, 'task')} again and again."
    is_many = (it.failed_percent or 0) > MANY_FAIL_PERCENT and (it.done_per_minute or 0) > 0
    if is_many and not _told(alerts, "HIGH_FAILURE_RATE"):
        yield "warning", f"{percent(it.failed_percent)} of what ends fails."


def _told(alerts: Sequence[Json], kind: str, *, subject: str | None = None) -> bool:
    return any(alert["type"] == kind and subject in (None, alert["subject"]) for alert in alerts)


def _of_alert(alert: Json, now: float) -> str:
    text = alert["description"].removesuffix(".")
    since = about(seconds_since(alert["created_at"], now))
    return f"{text}, noticed {since} ago." if "for more than" in text else f"{text}, for {since}."


def _rest_of(others: int) -> str:
    if others == 0:
        return "Everything else is well."
    return "One more thing is wrong." if others == 1 else f"{others:,} more things are wrong."


def _calm(it: Situation) -> str:
    parts: list[str] = []
    if it.done_per_minute:
        done = whole(it.done_per_minute)
        parts.append(f"{plural(done, 'task') if done else 'less than one task'} a minute")
        if it.failed_percent is not None:
            parts.append("none failing" if it.failed_percent == 0 else f"{percent(it.failed_percent)} failing")
    oldest = max((seconds_since(queue["oldest_waiting_at"], it.now) or 0 for queue in it.queues or ()), default=0)
    if oldest > FAR_TOO_LONG_SECONDS:
        parts.append(f"the oldest waits for {about(oldest)}")
    elif it.mean_wait:
        parts.append(f"a task waits {duration(it.mean_wait)} on average")
    elif it.stats is not None and it.stats["queue_depth"] == 0:
        parts.append("nothing waits")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
