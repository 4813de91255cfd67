import io
from typing import Any

import pytest
from rich.console import Console

from cli.top.screen import Size, draw, share_out
from cli.top.situation import Situation
from domain.sentences import NONE
from tests.unit.cli.test_terminal import BAD
from tests.unit.cli.top.test_verdict import NOW

SINCE = "2026-11-26T11:56:00Z"


def queue(name: str, **more: Any) -> dict[str, Any]:
    row = {"waiting": 0, "due": 0, "oldest_waiting_at": None, "in_per_minute": 0, "out_per_minute": 0}
    row |= {"queue_name": name, "empty_in_seconds": None, "consumers": 2} | more
    return {"active_consumers": row["consumers"]} | row


def worker(name: str, **more: Any) -> dict[str, Any]:
    return {"hostname": name, "status": "ACTIVE", "running": 1, "capacity": 2, "task_rate": 4.5} | more


def group(name: str | None, **more: Any) -> dict[str, Any]:
    return {"error": "Timeout", "task_name": name, "count": 1, "first_at": SINCE, "last_at": SINCE} | more


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"task_id": "01a222f8-0569", "task_name": name, "worker_hostname": "w@h", "started_at": SINCE} | more


FULL = Situation(
    now=NOW,
    health={"status": "healthy"},
    stats={"total_tasks_submitted": 9, "parked": 0, "queue_depth": 1204, "active_workers": 1, "total_workers": 2},
    queues=[
        queue("calm"),
        queue("grows", waiting=3, in_per_minute=9.0, consumers=1),
        queue("lonely", waiting=2, consumers=0, oldest_waiting_at=SINCE),
        queue("slow", active_consumers=1),
        queue("still", waiting=1, active_consumers=0, empty_in_seconds=9.0),
        queue("falls", waiting=9, out_per_minute=9.0),
    ],
    drifts={"falls": -2.25},
    workers=[worker("gone@h", status="OFFLINE", capacity=None), worker("here@h")],
    failures=[group("pay", count=3), group(None, error="Boom", count=1)],
    running=[task("sleep"), task("echo", task_id="01a222f8-056e-77ed-b8c3-11a92d0ad54a", worker_hostname=None)],
    running_count=70,
    done_per_minute=31,
    failed_percent=4.25,
    mean_wait=0.02,
)


def lines_of(it: Situation, *, width: int = 80, height: int | None = None, footer: str = "") -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(draw(it, Size(width, height), footer=footer))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_on_80_columns_the_sections_stand_below_each_other() -> None:
    lines = lines_of(FULL)
    assert [" ".join(line.split()) for line in lines] == [
        "▲ Nobody consumes lonely: 2 tasks wait, the oldest for 4 m 00 s. One more thing",
        "is wrong:",
        "No worker takes from still: 1 task waits.",
        "",
        "1,204 70 31/min 4.3 % 20 ms 1 of 2",
        "waiting running completed failing mean wait workers",
        "",
        "Queues those in need first",
        "lonely 2 oldest 4 m 00 s nobody consumes it",
        "still 1 2 workers, paused or draining",
        "grows 3 1 worker",
        "falls 9 empty in 4 m 00 s",
        "calm 0 2 workers",
        "slow 0 1 of 2 workers",
        "",
        "Workers",
        "here@h active 1 of 2 4.5/min",
        f"gone@h offline 1 of {NONE} {NONE}",
        "",
        "Failing in this hour and the share of all failures",
        "Timeout in pay 3 75 %",
        "Boom in tasks without a known name 1 25 %",
        "",
        "Running the 2 longest",
        "01a222f8-0569 sleep w@h 4 m 00 s",
        f"01a222f8…d54a echo {NONE} 4 m 00 s",
        "",
        "",
    ]


def test_what_else_is_wrong_is_named_as_far_as_there_is_room() -> None:
    queues = [queue(f"q{waiting}", waiting=waiting, consumers=0, active_consumers=0) for waiting in range(1, 7)]
    it = Situation(now=NOW, queues=queues)
    whole = lines_of(it)
    assert whole[0] == "▲ Nobody consumes q6: 6 tasks wait. 5 more things are wrong:"
    assert whole[1] == "  Nobody consumes q5: 5 tasks wait."
    assert whole[5] == "  Nobody consumes q1: 1 task waits."
    bounded = lines_of(it, height=24)
    assert bounded[3:6] == ["  Nobody consumes q3: 3 tasks wait.", "  and 2 more", ""]
    assert len(bounded) <= 24


def test_no_figure_is_cut_where_it_is_narrow() -> None:
    lines = [" ".join(line.split()) for line in lines_of(FULL, width=60)]
    at = lines.index("1,204 70 31/min")
    assert lines[at : at + 4] == [
        "1,204 70 31/min",
        "waiting running completed",
        "4.3 % 20 ms 1 of 2",
        "failing mean wait workers",
    ]


HELD = {"service_name": "queue:held", "strategy": "queue_only", "automatic": False, "degraded_until": None}


@pytest.mark.parametrize(
    ("drift", "more", "end"),
    [
        (None, {}, "57 2 workers"),
        (0.5, {}, "57 holds its level"),
        (0.5, {"out_per_minute": 0}, "57 2 workers"),
        (30, {}, "57 2 workers"),
        (-114, {}, "57 empty in 30 s"),
        (-114, {"active_consumers": 0}, "57 2 workers, paused or draining"),
        (-114, {"due": 8, "mark": HELD}, "57 + 8 held 2 workers"),
        (-114, {"due": 8}, "57 + 3 held 2 workers"),
    ],
)
def test_where_a_queue_goes_is_said_of_this_moment_alone(drift: float | None, more: dict[str, Any], end: str) -> None:
    burst = queue("held", waiting=57, **{"in_per_minute": 70, "out_per_minute": 70, "empty_in_seconds": 4} | more)
    drifts = {} if drift is None else {"held": drift}
    rows = [{"queue_name": "held", "count": n, "held_by": [by]} for n, by in ((3, "task:pay"), (2, "broker"))]
    marks = [{"service_name": name, "automatic": name == "broker", "count": 1} for name in ("task:pay", "broker")]
    held = {"data": rows, "marks": marks, "is_exact": True} if more.get("due") else None
    it = Situation(now=NOW, queues=[burst], drifts=drifts, held=held)
    assert f"held {end}" in [" ".join(line.split()) for line in lines_of(it)]


def test_on_140_columns_two_stand_side_by_side() -> None:
    lines = lines_of(FULL, width=140)
    assert any(line.startswith("Queues") and "Workers" in line for line in lines)
    assert len(lines) < len(lines_of(FULL)) - 6
    assert max(len(line) for line in lines) <= 140


@pytest.mark.parametrize("width", [20, 80, 119, 120, 200])
@pytest.mark.parametrize("height", [24, 50])
def test_no_screen_is_wider_or_higher_than_the_terminal(width: int, height: int) -> None:
    many = Situation(
        now=NOW,
        stats=FULL.stats,
        queues=[queue(f"queue-{number}-of-a-name-that-is-rather-long", waiting=number) for number in range(99)],
        workers=[worker(f"worker-{number}@a-host-of-a-name-that-is-rather-long") for number in range(40)],
        failures=[group(f"name-{number}") for number in range(40)],
        running=[task("sleep") for _ in range(40)],
        running_count=40,
    )
    lines = lines_of(many, width=width, height=height, footer="q quits")
    assert max(len(line) for line in lines) <= width
    if width >= 80:
        assert len(lines) <= height
    assert any("more" in line for line in lines)


def test_what_is_not_known_is_no_zero_and_what_is_empty_says_so() -> None:
    text = "\n".join(lines_of(Situation(now=NOW)))
    assert "Not known yet." in text
    assert text.count("Not told.") == 4
    assert "0" not in text
    nothing = Situation(now=NOW, stats=FULL.stats, queues=[], workers=[], failures=[], running=[], running_count=0)
    text = "\n".join(lines_of(nothing))
    for said in ("No queue is known yet.", "No worker has been heard of.", "Nothing has failed", "Nothing runs."):
        assert said in text


def test_nothing_that_others_chose_steers_the_terminal() -> None:
    hostile = Situation(
        now=NOW,
        queues=[queue(BAD, waiting=1, consumers=0)],
        workers=[worker(BAD, status=BAD)],
        failures=[group(BAD, error=BAD)],
        running=[task(BAD, task_id=BAD, worker_hostname=BAD)],
        running_count=1,
    )
    text = "\n".join(lines_of(hostile, width=1000, footer=BAD))
    assert "[red]x[/red]" in text
    assert not [char for char in text if char != "\n" and (not char.isprintable() or "\x7f" <= char < "\xa0")]


def test_lines_are_shared_out_one_by_one() -> None:
    assert share_out([9, 1, 3], 7) == [3, 1, 3]
    assert share_out([1, 1], 9) == [1, 1]
    assert share_out([], 3) == []
    assert share_out([2, 2], 0) == [0, 0]


@pytest.mark.parametrize("part", ["broker", "mirror"])
def test_while_workers_are_not_heard_nobody_is_called_offline_or_missing(part: str) -> None:
    health = {"status": "degraded", "checks": {part: "unhealthy"}}
    gone = Situation(
        now=NOW,
        health=health,
        stats={
            "queue_depth": 47,
            "undispatched": 39,
            "parked": 0,
            "total_tasks_submitted": 50,
            "active_workers": 0,
            "total_workers": 1,
        },
        queues=[queue("celery", waiting=8, consumers=0)],
        workers=[worker("here@h", status="OFFLINE")],
    )
    text = "\n".join(lines_of(gone))
    assert text.count("not heard") == 2
    assert [word for word in ("offline", "nobody", "0 of 1", "47") if word in text] == []


def test_a_worker_that_was_drained_is_not_called_offline() -> None:
    fleet = [
        {"hostname": name, "drained_at": at, "is_draining": False, "last_heartbeat": SINCE}
        for name, at in (("one@h", SINCE), ("two@h", None))
    ]
    workers = [worker(str(each["hostname"]), status="OFFLINE") for each in fleet]
    said = [" ".join(line.split()) for line in lines_of(Situation(now=NOW, workers=workers, fleet=fleet, offline=2))]
    assert f"one@h drained 1 of 2 {NONE}" in said
    assert f"two@h offline 1 of 2 {NONE}" in said
