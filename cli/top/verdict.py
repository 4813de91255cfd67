"""The sentence that answers first: is something wrong, and what. Pure.

It is that of `dashboard/src/logic/verdict.ts`, to the letter; `dashboard/tests/said.json` holds both to it.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.top.outage import Down, is_heard, parts_down, sentence_of_no_worker, sentence_of_outage
from cli.top.situation import Json, Situation, seconds_since
from domain.degradation import QUEUE_PREFIX, TASK_PREFIX, work_of
from domain.sentences import about, duration, percent, plural, whole

FAR_TOO_LONG_SECONDS = 60
MANY_FAIL_PERCENT = 20
HOUR_SECONDS = 3600
MARKED = {"queue_only": "held back", "return_cached": "old answers", "fail_fast": "refused"}
"""How what is marked is, by the strategy of its mark."""

OURS = frozenset({"BROKER_OPTIONS_DIFFER", "EVENTS_OFF", "NOTIFICATION_FAILING", "OPEN_ACCESS", "WEBHOOK_FAILING"})
"""Alerts about what concerns Celeriac alone: no task waits or fails for them."""

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
    if it.health is None or (it.queues if it.is_partial else it.alerts) is None:
        return Headline("unknown", it.refused or "Not known yet.")
    notes = (alert for alert in it.alerts or () if alert["severity"] == "INFO" and not alert["acknowledged"])
    failed, rest = _failed_of(it), " ".join(filter(None, (_calm(it), *map(_of_note, notes))))
    return Headline("noted" if failed else "ok", failed or as_seen("All well.", it), rest)


def as_seen(text: str, it: Situation) -> str:
    """Return that nothing is amiss, as somebody may say it who does not see all."""
    return f"As far as your key sees: {text[0].lower()}{text[1:]}" if it.is_partial else text


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
    """What is wrong, the worst first.

    Causes come before what follows from them, which is left out; what waits or fails before what concerns Celeriac
    alone.
    """
    if it.health is not None and it.health["status"] == "unhealthy":
        yield "critical", "The database does not answer: what you see is old, and new tasks are refused."
    down = parts_down(it)
    yield from _silent(it, down)
    unserved = _unserved(it, down)
    alerts = [
        alert
        for alert in sorted(it.alerts or (), key=lambda alert: (alert["acknowledged"], alert["created_at"]))
        if not _is_symptom(alert, it, down=down, unserved={queue["queue_name"] for queue in unserved})
    ]
    warnings = [alert for alert in alerts if alert["severity"] == "WARNING" and not alert["acknowledged"]]
    for alert in alerts:
        if alert["severity"] == "CRITICAL":
            yield "critical", _of_alert(alert, it)
    for queue in unserved:
        yield "warning", _of_unserved(queue, it.now)
    for alert in warnings:
        if alert["type"] not in OURS:
            yield "warning", _of_alert(alert, it)
    yield from _marked(it, down)
    yield from _refused_and_failing(it, alerts)
    for alert in warnings:
        if alert["type"] in OURS:
            yield "warning", _of_alert(alert, it)


def _silent(it: Situation, down: Down) -> Iterator[_Trouble]:
    """What does not answer; where nothing tells which part it is, that one does not."""
    if outage := sentence_of_outage(down, it.now):
        yield "critical", outage
    if "workers" in down:
        yield "critical", sentence_of_no_worker(down, it.now, drained=_last_drained(it))
    if not down and it.health is not None and it.health["status"] == "degraded":
        yield "warning", "A part of the system does not do its work."


def _is_symptom(alert: Json, it: Situation, *, down: Down, unserved: Container[str]) -> bool:
    """Whether an alert tells what follows from something that is said already."""
    kind, subject = alert["type"], alert["subject"]
    are_unknown = "workers" in down or not is_heard(down)
    match kind:
        case "COMPONENT_DOWN":
            return subject in down
        case "DISPATCH_STALLED":
            return "broker" in down or "loops" in down
        case "TASKS_NOT_PICKED_UP":
            return subject in unserved or are_unknown
        case "HIGH_QUEUE_DEPTH":
            is_held = any(mark["service_name"] == f"{QUEUE_PREFIX}{subject}" for mark in _marks_of(it))
            return subject in unserved or is_held or "workers" in down or "broker" in down
        case "NO_ACTIVE_WORKERS":
            return are_unknown
        case "WORKER_OFFLINE":
            return are_unknown or _told(it.alerts or (), "NO_ACTIVE_WORKERS")
        case _:
            return False


def _marks_of(it: Situation) -> Sequence[Json]:
    """The marks in force; a key with limits is told those of its queues alone."""
    if it.resilience is not None:
        return tuple(it.resilience.get("degradation", {}).get("marks", ()))
    return [queue["mark"] for queue in it.queues or () if queue.get("mark")]


def _last_drained(it: Situation) -> str | None:
    """Return the worker that was heard last, where it was told to drain: then nobody has failed."""
    heard = [worker for worker in it.fleet or () if worker["last_heartbeat"] is not None]
    if not heard:
        return None
    last = min(heard, key=lambda worker: seconds_since(worker["last_heartbeat"], it.now) or 0)
    return str(last["hostname"]) if last["is_draining"] or last.get("drained_at") else None


def _unserved(it: Situation, down: Down) -> list[Json]:
    """The queues in which something waits and from which nobody takes, the longest first.

    None while workers are not heard, nor while there is no worker, which is the cause.
    """
    if "workers" in down or not is_heard(down):
        return []
    seen = {alert["subject"] for alert in it.alerts or () if alert["acknowledged"] and _is_not_picked_up(alert)}
    without = [
        queue
        for queue in it.queues or ()
        if queue["active_consumers"] == 0 and (queue["waiting"] or 0) > 0 and queue["queue_name"] not in seen
    ]
    return sorted(without, key=lambda queue: -queue["waiting"])


def _is_not_picked_up(alert: Json) -> bool:
    return bool(alert["type"] == "TASKS_NOT_PICKED_UP")


def _of_unserved(queue: Json, now: float) -> str:
    since = queue["oldest_waiting_at"]
    oldest = f", the oldest for {about(seconds_since(since, now))}" if since else ""
    waits = plural(queue["waiting"], "task waits", many="tasks wait")
    who = "Nobody consumes" if queue["consumers"] == 0 else "No worker takes from"
    return f"{who} {queue['queue_name']}: {waits}{oldest}."


def _marked(it: Situation, down: Container[str]) -> Iterator[_Trouble]:
    for mark in _marks_of(it):
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
        said = (_failed_of(it), *(f"{each}." for each in _absent(it)))
        return " ".join(filter(None, said)) or as_seen("Everything else is well.", it)
    return "One more thing is wrong:" if others == 1 else f"{others:,} more things are wrong:"


def _absent(it: Situation) -> Iterator[str]:
    """How many workers are offline, unless that is what is wrong, or cannot be known; a drained one is not amiss."""
    down = parts_down(it)
    if not is_heard(down) or "workers" in down:
        return
    drained = sorted(
        (worker for worker in it.fleet or () if worker.get("drained_at")),
        key=lambda worker: seconds_since(worker["drained_at"], it.now) or 0,
    )
    offline = it.offline - len(drained)
    if offline > 0 and not any(alert["type"] in ABSENT for alert in it.alerts or ()):
        yield plural(offline, "worker is offline", many="workers are offline")
    if drained:
        last = drained[0]
        who = last["hostname"] if len(drained) == 1 else f"the last is {last['hostname']}"
        ago = about(seconds_since(last["drained_at"], it.now))
        yield f"{plural(len(drained), 'worker is drained', many='workers are drained')} ({who}, {ago} ago)"


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
    parts.extend(_absent(it))
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
