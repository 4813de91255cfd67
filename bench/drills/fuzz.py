"""100,000 fuzzed requests and 100,000 fuzzed events against one `celeriac up`, with a probe each second beside them.

Judged are the answers, the processes, their memory and the probes. What is sent is drawn by one seed: the same seed
sends the same. Ids in paths are those of this stack.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from random import SystemRandom
from typing import Annotated, Any

import httpx
import typer

from bench.drills.findings import DrillReport, Finding, Value, at_most, equal, listed, present
from bench.figures import percentile
from bench.fuzzing.channels import Channel, Fanout, Stream, bombard, is_heard
from bench.fuzzing.events import Targets
from bench.fuzzing.requests import Material
from bench.fuzzing.volley import Tally, fire, material_of, mixed, seed_for
from bench.fuzzing.watch import Prober, Probes, Sizes, Watch, WatchedProcesses, beside
from bench.report import JsonFile
from bench.stack import Stack, running_up

CONNECTIONS = 8
ANSWER_SECONDS = 30.0
LATE_SECONDS = 2.0
WARM_SHARE = 0.25
"""Share of the requests and events after which memory is to stay as it is."""
REST_SECONDS = 10.0
"""Rest before the end is measured: what is under way is no growth."""
GROWTH_MIB = 64.0
"""Growth from the warm-up to the end: a leak of 1 KB a request would be 75. Not all that is freed goes back."""
MOST_MIB = 768.0
HEALTH_SECONDS = 60.0
JUDGED = ("api", "flower", "loops", "mirror", "worker", "worker child")
SHOWN = 20
STAGES = ("submitted", "dispatched", "received", "started", "succeeded")
MOST_STAGES = 5


@dataclass(slots=True)
class Attack:
    """What became of an attack."""

    tally: Tally = field(default_factory=Tally)
    events: dict[str, int] = field(default_factory=dict)
    """How many events were sent, by channel."""
    heard: dict[str, float | None] = field(default_factory=dict)
    """Seconds until an event was shown that was sent after all others, by channel."""
    failures: list[str] = field(default_factory=list)
    """Errors of the drill's own threads."""


def main(
    requests: Annotated[int, typer.Option(min=100, help="Fuzzed requests.")] = 100_000,
    events: Annotated[
        int, typer.Option(min=100, help="Fuzzed events, half of them by each way to the mirror.")
    ] = 100_000,
    *,
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to send the same again.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Everything hostile at once, and work beside it."""
    present(measure(requests=requests, events=events, seed=seed), json_file)


def measure(*, requests: int, events: int, seed: int | None = None) -> DrillReport:
    """Send so many fuzzed requests and events, drawn by this seed, and judge answers, processes, memory and probes."""
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    begun = time.monotonic()
    with running_up(workers=1, flower=True) as stack:
        attack = Attack()
        with beside(stack.api_url, stack.pid) as (watch, prober):
            _warm_up_and_attack(stack, attack, watch=watch, requests=requests, events=events, seed=seed)
        after, stages = _afterwards(stack), _stages_of_the_latest(stack, prober.found)
    minutes = (time.monotonic() - begun) / 60
    sent = sum(attack.events.values())
    return DrillReport(
        title=f"{attack.tally.sent:,} fuzzed requests and {sent:,} fuzzed events in {minutes:.1f} minutes",
        findings=[
            equal("requests sent", requests, seen=attack.tally.sent),
            equal("events sent", events // 2 * 2, seen=sent),
            *_answers(attack),
            *_work(prober.found),
            *_processes(watch.found),
            *after,
        ],
        measured={**_measured(attack, prober, watched=watch.found), "latest probes": stages, "seed": seed},
        notes=[
            "RSS, the largest process of each kind. Not judged for growth: Postgres fills its shared buffers, and"
            " Valkey keeps what it is given.",
            "A probe is a task of priority 10; it is late by the time until the API shows it completed.",
        ],
    )


def _warm_up_and_attack(stack: Stack, attack: Attack, *, watch: Watch, requests: int, events: int, seed: int) -> None:
    """Requests and both channels at once, in two parts."""
    material = material_of(stack.api_url, seed_for(seed, "requests"))
    channels: list[Channel] = [Fanout(stack.servers.broker_url), Stream(stack.servers.redis_url)]
    targets = {channel.name: _targets(stack, material, seed=seed, channel=channel) for channel in channels}
    warm_requests, warm_events = int(requests * WARM_SHARE), int(events * WARM_SHARE / 2)
    parts = ((warm_requests, warm_events), (requests - warm_requests, events // 2 - warm_events))
    for number, (some_requests, some_events) in enumerate(parts):
        threads = [
            threading.Thread(
                target=_send,
                args=(attack, channel),
                kwargs={"targets": targets[channel.name], "count": some_events},
                name=channel.name,
            )
            for channel in channels
        ]
        for thread in threads:
            thread.start()
        shooting = fire(
            stack.api_url,
            mixed(material, some_requests),
            connections=CONNECTIONS,
            within=ANSWER_SECONDS,
            into=attack.tally,
        )
        asyncio.run(shooting)
        for thread in threads:
            thread.join()
        if number == 0:
            watch.mark_warm()
    with httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client:
        for channel in channels:
            attack.heard[channel.name] = is_heard(channel, client)
            channel.close()
    time.sleep(REST_SECONDS)


def _targets(stack: Stack, material: Material, *, seed: int, channel: Channel) -> Targets:
    nodes = [worker["hostname"] for worker in _get(stack, "/workers")["data"] if worker["plugin"]]
    return Targets(seed_for(seed, channel.name), material.known.task_ids, nodes)


def _send(attack: Attack, channel: Channel, *, targets: Targets, count: int) -> None:
    try:
        bombard(channel, targets, count=count)
        attack.events[channel.name] = attack.events.get(channel.name, 0) + count
    except Exception as error:
        attack.failures.append(f"{channel.name}: {type(error).__name__}: {error}")


def _answers(attack: Attack) -> Iterator[Finding]:
    tally = attack.tally
    yield equal("server errors (documented 503s apart)", 0, seen=tally.server_errors)
    yield _none("undocumented, late or missing answers", [f"{n} x {line}" for line, n in tally.complaints.items()])
    yield _none("events that could not be sent", attack.failures)
    for channel, seconds in attack.heard.items():
        yield Finding(
            f"heard after all that: {channel}", "yes", "no" if seconds is None else "yes", seconds is not None
        )


def _work(probes: Probes) -> Iterator[Finding]:
    yield _none("probes without an end", probes.failures)
    yield at_most("latest probe", LATE_SECONDS, seen=max(probes.late), unit=" s")
    yield at_most("latest /health/live", LATE_SECONDS, seen=max(probes.live), unit=" s")


def _processes(watched: WatchedProcesses) -> Iterator[Finding]:
    yield equal("processes restarted", [], seen=watched.restarted)
    for kind in JUDGED:
        yield at_most(f"{kind} at most", MOST_MIB, seen=watched.most.get(kind, 0.0), unit=" MiB")
        grown = watched.end.get(kind, 0.0) - watched.warm.get(kind, 0.0)
        yield at_most(f"{kind} grew by", GROWTH_MIB, seen=grown, unit=" MiB")


def _afterwards(stack: Stack) -> list[Finding]:
    """All is well again, and a whole workflow goes through."""
    deadline = time.monotonic() + HEALTH_SECONDS
    health = _get(stack, "/health")
    while health["status"] != "healthy" and time.monotonic() < deadline:
        time.sleep(1)
        health = _get(stack, "/health")
    gaps = _get(stack, "/resilience/summary")["mirror"]["gaps_24h"]
    own = [worker for worker in _get(stack, "/workers?limit=1000")["data"] if worker["plugin"]]
    return [
        equal("health", "healthy", seen=health["status"]),
        equal("gaps recorded", 0, seen=gaps),
        equal("our worker", ["ACTIVE"], seen=[worker["status"] for worker in own]),
        equal("a workflow afterwards", "COMPLETED", seen=_workflow(stack)),
    ]


def _workflow(stack: Stack) -> str:
    first = {"id": "a", "task_name": "celeriac.add", "task_args": [1, 2]}
    second = {"id": "b", "task_name": "celeriac.add", "task_args": [{"$result": "a"}, 1]}
    with httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=30) as client:
        answer = client.post("/workflows", json={"name": "after", "steps": [first, second]}).raise_for_status()
        deadline = time.monotonic() + HEALTH_SECONDS
        while True:
            found: str = client.get(f"/workflows/{answer.json()['workflow_id']}").raise_for_status().json()["status"]
            if found not in ("PENDING", "RUNNING") or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


def _stages_of_the_latest(stack: Stack, probes: Probes) -> str:
    """Say where their time went: in the API's answers, and from stage to stage by their timelines."""
    latest = sorted(probes.accepted.items(), key=lambda probe: probe[1].late, reverse=True)[:MOST_STAGES]
    return "".join(
        f"\n  {probe.late:.2f} s: accepted after {probe.accepted_after:.2f}, {_stages(stack, task_id)},"
        f" slowest look {probe.slowest_look:.2f}"
        for task_id, probe in latest
    )


def _stages(stack: Stack, task_id: str) -> str:
    events = _get(stack, f"/tasks/{task_id}/timeline")["events"]
    times = {event["event_type"]: datetime.fromisoformat(event["timestamp"]) for event in reversed(events)}
    stages = [(stage, times[stage]) for stage in STAGES if stage in times]
    return ", ".join(f"{stage} {(at - before).total_seconds():.2f}" for (_, before), (stage, at) in pairwise(stages))


def _measured(attack: Attack, prober: Prober, *, watched: WatchedProcesses) -> Mapping[str, Value]:
    probes = prober.found
    return {
        "answers": listed(dict(attack.tally.statuses.most_common())),
        "documented 503s among them": attack.tally.outages,
        "probes": len(probes.late),
        **_percentiles("probe late", probes.late),
        **_percentiles("/health/live", probes.live),
        **{f"heard by {channel}, s": seconds for channel, seconds in attack.heard.items()},
        "slowest": "\n  " + "\n  ".join(map(str, attack.tally.slowest)),
        **{f"{kind}, MiB": _sizes(watched, kind) for kind in sorted(watched.most)},
    }


def _percentiles(name: str, seconds: Sequence[float]) -> dict[str, Value]:
    told = ", ".join(f"p{percent} {percentile(seconds, percent):.2f}" for percent in (50, 99))
    return {f"{name}, s": f"{told}, max {max(seconds):.2f}"}


def _sizes(watched: WatchedProcesses, kind: str) -> str:
    def size(sizes: Sizes) -> str:
        return f"{sizes[kind]:,.0f}" if kind in sizes else "-"

    start, warm, end, most = map(size, (watched.start, watched.warm, watched.end, watched.most))
    return f"{start} at the start, {warm} warm, {end} at the end, at most {most}"


def _none(promise: str, found: Sequence[str]) -> Finding:
    shown = "\n".join(line[:300] for line in found[:SHOWN])
    return Finding(promise, "0", f"{len(found)}:\n{shown}" if found else "0", not found)


def _get(stack: Stack, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{stack.api_url}/api/v1{path}", timeout=30).json()
    return answer
