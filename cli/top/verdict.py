"""The sentence that answers first: is something wrong, and what. Pure.

It is that of `dashboard/src/logic/verdict.ts`, to the letter; `dashboard/tests/said.json` holds both to it.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.top.situation import Json, Situation, seconds_since
from domain.degradation import QUEUE_PREFIX, TASK_PREFIX, work_of
from domain.sentences import about, duration, percent, plural, whole

FAR_TOO_LONG_SECONDS = 60
MANY_FAIL_PERCENT = 20
HOUR_SECONDS = 3600
WITHOUT = {
    "broker": "Submissions are accepted and wait. Nothing is lost.",
    "result_backend": "Results come late.",
    "workers": "Nothing starts. What is submitted waits.",
    "mirror": "Tasks run, and what is shown is not updated.",
}
"""What it means that a part is down."""

MARKED = {"queue_only": "held back", "return_cached": "old answers", "fail_fast": "refused"}
"""How what is marked is, by the strategy of its mark."""

ABSENT = frozenset({"WORKER_OFFLINE", "NO_ACTIVE_WORKERS"})
"""Alerts that say that workers are not there."""

Tone = Literal["ok", "noted", "warning", "critical", "unknown", "empty"]
"""`noted`: nothing is wrong now, and not all is well."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What is wrong, or that all is well, and how the rest is."""

    tone: Tone
    text: str
    rest: str = ""
    others: tuple[str, ...] = ()
    """What else is wrong, the worst first."""


def verdict_of(it: Situation) -> Headline:
    """Return what to say first. The worst is said; what else is wrong comes after it."""
    found = list(_troubles(it))
    if found:
        others = tuple(text for _, text in found[1:])
        return Headline(*found[0], _rest_of(len(others), it), others)
    if it.stats is not None and it.stats["total_tasks_submitted"] == 0:
        return Headline("empty", "Ready. No task has been submitted yet.")
    # A key with limits is told neither of alerts nor of figures, ever.
    is_partial = it.stats is None
    if it.health is None or (it.alerts is None and not is_partial):
        return Headline("unknown", "Not known yet.")
    notes = (alert for alert in it.alerts or () if alert["severity"] == "INFO" and not alert["acknowledged"])
    failed, rest = _failed_of(it), " ".join(filter(None, (_calm(it), *map(_of_note, notes))))
    return Headline("noted" if failed else "ok", failed or "All well.", rest)


def _failed_of(it: Situation) -> str:
    """Return what failed in this hour, though not so much that it is raised: then not all is well."""
    failing = sorted((each for each in it.failing or () if each["failed"]), key=lambda each: -each["failed"])
    workflows = [
        each
        for each in it.workflows or ()
        if each["completed_at"] and (seconds_since(each["completed_at"], it.now) or 0) < HOUR_SECONDS
    ]
    parts: list[str] = []
    if failing:
        worst, others = failing[0], len(failing) - 1
        share = percent(100 * worst["failed"] / (worst["failed"] + worst["completed"]))
        more = f", and {plural(others, 'other name')} failed too" if others else ""
        name = "what has no name" if worst["task_name"] is None else worst["task_name"]
        parts.append(f"{name} failed {share} of the time{more}")
    if workflows:
        many = f"{plural(len(workflows), 'workflow')} failed"
        parts.append(f"workflow {workflows[0]['name']} failed" if len(workflows) == 1 else many)
    return f"In the last hour {'; '.join(parts)}." if parts else ""


_Trouble = tuple[Tone, str]


def _troubles(it: Situation) -> Iterator[_Trouble]:
    if it.health is not None and it.health["status"] == "unhealthy":
        yield "critical", "The database does not answer: what you see is old, and new tasks are refused."
    down = _parts_down(it)
    alerts = [
        alert
        for alert in sorted(it.alerts or (), key=lambda alert: (alert["acknowledged"], alert["created_at"]))
        if alert["type"] != "COMPONENT_DOWN" or alert["subject"] not in down
    ]
    # Before the alerts: a part that is down is the cause of what else is raised then.
    for name, since in down.items():
        yield "critical", _of_part(name, about(seconds_since(since, it.now)), drained=_last_drained(it))
    for alert in alerts:
        if alert["severity"] == "CRITICAL":
            yield "critical", _of_alert(alert, it)
    for alert in alerts:
        if alert["severity"] == "WARNING" and not alert["acknowledged"]:
            yield "warning", _of_alert(alert, it)
    yield from _unserved(it, alerts)
    yield from _marked(it, down)
    yield from _refused_and_failing(it, alerts)


def _parts_down(it: Situation) -> dict[str, str]:
    """Return the parts that do not answer, with since when.

    Without the broker and the mirror nobody hears workers, nor knows whether they are there.
    """
    parts = (it.resilience or {}).get("components", ())
    down = {part["name"]: part["since"] for part in parts if part["status"] == "unhealthy"}
    down.pop("database", None)
    if "broker" in down or "mirror" in down:
        down.pop("workers", None)
    return down


def _last_drained(it: Situation) -> str | None:
    """Return the worker that was heard last, where it was told to drain: then nobody has failed."""
    heard = [worker for worker in it.fleet or () if worker["last_heartbeat"] is not None]
    if not heard:
        return None
    last = min(heard, key=lambda worker: seconds_since(worker["last_heartbeat"], it.now) or 0)
    return str(last["hostname"]) if last["is_draining"] else None


def _of_part(name: str, silence: str, *, drained: str | None) -> str:
    who = "No worker has" if name == "workers" else f"The {name.replace('_', ' ')} has not"
    why = f": {drained}, the last one, was told to drain" if name == "workers" and drained is not None else ""
    return f"{who} answered for {silence}{why}. {WITHOUT.get(name, '')}".rstrip()


def _unserved(it: Situation, alerts: Sequence[Json]) -> Iterator[_Trouble]:
    without = [queue for queue in it.queues or () if queue["active_consumers"] == 0 and (queue["waiting"] or 0) > 0]
    for queue in sorted(without, key=lambda queue: -queue["waiting"]):
        name, waiting, since = queue["queue_name"], queue["waiting"], queue["oldest_waiting_at"]
        if _told(alerts, "TASKS_NOT_PICKED_UP", subject=name):
            continue
        oldest = f", the oldest for {about(seconds_since(since, it.now))}" if since else ""
        waits = plural(waiting, "task waits", many="tasks wait")
        who = "Nobody consumes" if queue["consumers"] == 0 else "No worker takes from"
        yield "warning", f"{who} {name}: {waits}{oldest}."


def _marked(it: Situation, down: Container[str]) -> Iterator[_Trouble]:
    for mark in (it.resilience or {}).get("degradation", {}).get("marks", ()):
        name = mark["service_name"]
        if mark["automatic"] and name in down:
            continue
        yield (
            "warning",
            f"{_part(name)}: it fails, and is left alone until it answers."
            if mark["automatic"]
            else _of_mark(mark, it),
        )


def _of_mark(mark: Json, it: Situation) -> str:
    """Return what a mark by hand does, since when by whom, and for how long yet; how much it holds back, if any."""
    name = mark["service_name"]
    left = -(seconds_since(mark["degraded_until"], it.now) or 0)
    since = f"{_author_of(mark, it.now)}{f', {about(left)} left' if left > 0 else ''}."
    held = it.held or {"marks": (), "is_exact": True}
    hold = next((each for each in held["marks"] if each["service_name"] == name and each["count"]), None)
    if hold is not None:
        is_exact: bool = held["is_exact"]
        tasks = plural(hold["count"], "task", is_exact=is_exact)
        return f"{tasks}{_whose(name)} {'is' if hold['count'] == 1 and is_exact else 'are'} held back{since}"
    who = work_of(name)
    if who is None:
        return f"{_part(name)}: {MARKED.get(mark['strategy'], mark['strategy'])}{since}"
    return f"A{who[1:]} {'held back' if mark['strategy'] == 'queue_only' else 'refused'}{since}"


def _part(name: str) -> str:
    """Return how a part is called: `Result backend`."""
    return name.replace("_", " ").capitalize()


def _author_of(mark: Json, now: float) -> str:
    by = f" by {mark['set_by_name']}" if mark.get("set_by_name") else ""
    seconds = seconds_since(mark.get("set_at"), now)
    return by if seconds is None else f"{by}, for {about(max(0.0, seconds))} so far"


def _whose(service_name: str) -> str:
    """Return whose tasks a mark is for, as the end of a name for them."""
    if service_name.startswith(QUEUE_PREFIX):
        return f" of queue {service_name.removeprefix(QUEUE_PREFIX)}"
    return f" of {service_name.removeprefix(TASK_PREFIX)}" if service_name.startswith(TASK_PREFIX) else ""


def _refused_and_failing(it: Situation, alerts: Sequence[Json]) -> Iterator[_Trouble]:
    parked = it.stats["parked"] if it.stats is not None else 0
    if parked > 0:
        yield "warning", f"The broker refuses {plural(parked, 'task')} again and again."
    is_many = (it.failed_percent or 0) > MANY_FAIL_PERCENT and (it.done_per_minute or 0) > 0
    if is_many and not _told(alerts, "HIGH_FAILURE_RATE"):
        yield "warning", f"{percent(it.failed_percent)} of what ends fails{_mostly(it)}."


def _mostly(it: Situation) -> str:
    """Return what fails above all, as the end of a sentence."""
    if not it.failures:
        return ""
    most = it.failures[0]
    name = "" if most["task_name"] is None else f" in {most['task_name']}"
    return f": above all {most['error']}{name}"


def _told(alerts: Sequence[Json], kind: str, *, subject: str | None = None) -> bool:
    return any(alert["type"] == kind and subject in (None, alert["subject"]) for alert in alerts)


def _of_alert(alert: Json, it: Situation) -> str:
    text, since = alert["description"].removesuffix("."), about(seconds_since(alert["created_at"], it.now))
    what = _mostly(it) if alert["type"] == "HIGH_FAILURE_RATE" else ""
    return f"{text}, noticed {since} ago{what}." if "for more than" in text else f"{text}, for {since}{what}."


def _of_note(alert: Json) -> str:
    """Return what has been and is over: told where nothing is wrong, and in the place of nothing that is."""
    if alert["type"] == "EVENTS_MISSED":
        return f"Workers were not heard for {about(alert['value'])} of late."
    return f"{alert['description'].removesuffix('.')}."


def _rest_of(others: int, it: Situation) -> str:
    """What else there is: where nothing else is wrong, what is not well all the same."""
    if others == 0:
        return " ".join(filter(None, (_failed_of(it), _offline_of(it)))) or "Everything else is well."
    return "One more thing is wrong:" if others == 1 else f"{others:,} more things are wrong:"


def _offline_of(it: Situation) -> str:
    """Return how many workers are offline, unless that is what is wrong."""
    is_said = "workers" in _parts_down(it) or any(alert["type"] in ABSENT for alert in it.alerts or ())
    return "" if is_said or not it.offline else f"{plural(it.offline, 'worker is', many='workers are')} offline."


def _calm(it: Situation) -> str:
    parts: list[str] = []
    if it.done_per_minute:
        done = whole(it.done_per_minute)
        parts.append(f"{plural(done, 'task') if done else 'less than one task'} a minute")
        if it.failed_percent is not None:
            none = "none failing now" if any(each["failed"] for each in it.failing or ()) else "none failing"
            parts.append(none if it.failed_percent == 0 else f"{percent(it.failed_percent)} failing")
    oldest = max((seconds_since(queue["oldest_waiting_at"], it.now) or 0 for queue in it.queues or ()), default=0)
    if oldest > FAR_TOO_LONG_SECONDS:
        parts.append(f"the oldest waits for {about(oldest)}")
    elif it.mean_wait:
        parts.append(f"a task waits {duration(it.mean_wait)} on average")
    elif it.stats is not None and it.stats["queue_depth"] == 0:
        parts.append("nothing waits")
    if it.offline:
        parts.append(plural(it.offline, "worker is offline", many="workers are offline"))
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
