"""The dashboard beside Flower, in one Chromium and on one fleet: what somebody waits for, and what it costs.

Loads are cold, over loopback, in alternating turns. Where no Chromium is installed, nothing is measured.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from statistics import median
from threading import Event, Thread
from typing import Annotated

import typer
from playwright.sync_api import Browser

from bench.dashboard import first_load
from bench.dashboard.audience import Served, serve_pages, serve_streams
from bench.dashboard.chromium import chromium, chromium_program
from bench.dashboard.first_load import Load
from bench.dashboard.fleet import Fleet, running_fleet
from bench.dashboard.idle import Idle, rest_on_flower, rest_on_nothing, rest_on_ours
from bench.dashboard.journey import Walk, walk, walk_while_rows_change
from bench.dashboard.large_workflow import look_at_workflows
from bench.dashboard.long_list import scroll_through, turn_flowers_pages
from bench.figures import Series, Turn, percentile
from bench.report import Goal, JsonFile, Report, Rounds, present


class Stage(StrEnum):
    """What is measured."""

    LOAD = "load"
    JOURNEY = "journey"
    LIST = "list"
    WORKFLOW = "workflow"
    IDLE = "idle"
    SERVER = "server"


OURS, FLOWER = "celeriac", "Flower"
KNOWN_TASKS = 100
"""Tasks that are run first, of which all pages tell."""
CHANGING = 20
"""Rows that change in each second."""
SHORT_TASK = {"task_name": "celeriac.sleep", "task_args": [0.02]}


@dataclass(slots=True)
class Found:
    """What the stages have found."""

    series: list[Series] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_latencies(self, name: str, latencies: Sequence[float]) -> None:
        """Add a row of the table."""
        self.series.append(Series(name, (Turn(len(latencies), sum(latencies), tuple(latencies)),)))

    def at_most(self, text: str, wanted: float, *, reached: float) -> None:
        """Add a figure that is to be small."""
        self.goals.append(Goal(text, wanted, reached, at_most=True))


def main(
    stage: Annotated[list[Stage], typer.Option(help="Only this one; may repeat.")] = list(Stage),  # noqa: B006
    rounds: Rounds = 5,
    *,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks that both have heard of.")] = 2_000,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the list that is scrolled.")] = 100_000,
    steps: Annotated[int, typer.Option(min=5, max=1000, help="Steps of the workflows.")] = 1000,
    pages: Annotated[int, typer.Option(min=1, help="Open dashboards that the API serves.")] = 20,
    rate: Annotated[list[int], typer.Option(min=1, help="Tasks a second meanwhile; may repeat.")] = [100, 1_000],  # noqa: B006
    seconds: Annotated[float, typer.Option(min=1, help="How long pages are left alone.")] = 10.0,
    pause: Annotated[float, typer.Option(min=0, help="Milliseconds between two keys of who types fast.")] = 60.0,
    json_file: JsonFile = None,
) -> None:
    """Measure the dashboard beside Flower."""
    if chromium_program() is None:
        sys.exit("No Chromium is installed here: apt-get install chromium.")
    found = Found()
    with running_fleet() as fleet, chromium() as browser:
        fleet.run(KNOWN_TASKS)
        stages: dict[Stage, Callable[[], None]] = {
            Stage.LOAD: partial(_load, found, browser, fleet=fleet, rounds=rounds, tasks=tasks),
            Stage.JOURNEY: partial(_walk, found, browser, fleet=fleet, steps=steps, rounds=rounds, pause=pause),
            Stage.LIST: partial(_scroll, found, browser, fleet=fleet, rows=rows),
            Stage.WORKFLOW: partial(_look_at_workflows, found, browser, fleet=fleet, steps=steps, rounds=rounds),
            Stage.IDLE: partial(_rest, found, browser, fleet=fleet, seconds=seconds),
            Stage.SERVER: partial(_serve, found, browser, fleet=fleet, pages=pages, rates=tuple(rate), seconds=seconds),
        }
        for name in stage:
            stages[name]()
    title = "The dashboard beside Flower in one Chromium"
    present(Report(title=title, unit=None, series=found.series, goals=found.goals, notes=found.notes), json_file)


def _load(found: Found, browser: Browser, *, fleet: Fleet, rounds: int, tasks: int) -> None:
    """Take turns; the first of each is not counted, since it warms what serves."""
    fleet.run(tasks)
    turns = {
        OURS: first_load.load_ours,
        FLOWER: first_load.load_flower,
        f"{OURS}, list of tasks": first_load.load_our_list,
        f"{FLOWER}, list of tasks": first_load.load_flowers_list,
    }
    loads: dict[str, list[Load]] = {name: [] for name in turns}
    for _ in range(rounds + 1):
        for name, load in turns.items():
            loads[name].append(load(browser, fleet))
    for name, taken in loads.items():
        del taken[0]
        found.add_latencies(f"{name}, first paint", [load.painted for load in taken])
        found.add_latencies(f"{name}, usable", [load.usable for load in taken])
        found.notes.append(f"First load of {name}: {first_load.describe(taken)}.")
    painted, usable = (median(getattr(load, what) for load in loads[OURS]) for what in ("painted", "usable"))
    flower = median(load.usable for load in loads[FLOWER])
    found.at_most("first contentful paint, ms", 300, reached=painted * 1000)
    found.at_most("usable, ms", 600, reached=usable * 1000)
    found.at_most("usable, as a multiple of Flower's", 0.5, reached=usable / flower)
    turned = turn_flowers_pages(browser, fleet)
    found.notes.append(f"Flower's table with {KNOWN_TASKS + tasks:,} tasks: {turned * 1000:,.0f} ms to its next 15.")


def _walk(found: Found, browser: Browser, *, fleet: Fleet, steps: int, rounds: int, pause: float) -> None:
    fleet.fan(steps)
    _add_walk(found, "interaction to next paint", wanted=100, walked=walk(browser, fleet, pause=pause))
    stopping = Event()
    submitter = Thread(target=_keep_changing, args=(fleet, stopping))
    submitter.start()
    try:
        changing = walk_while_rows_change(browser, fleet, rounds=rounds, pause=pause)
    finally:
        stopping.set()
        submitter.join()
    _add_walk(found, f"interaction, {CHANGING} rows changing a second", wanted=120, walked=changing)


def _keep_changing(fleet: Fleet, stopping: Event) -> None:
    while not stopping.wait(1.0):
        fleet.submit([SHORT_TASK] * CHANGING)


def _add_walk(found: Found, name: str, *, wanted: float, walked: Walk) -> None:
    found.add_latencies(name, walked.latencies)
    found.at_most(f"{name}, p95 ms", wanted, reached=percentile(walked.latencies, 95) * 1000)
    found.notes.append(f"{name}: {len(walked.latencies)} of them, {walked.told} took 16 ms or more.")


def _scroll(found: Found, browser: Browser, *, fleet: Fleet, rows: int) -> None:
    fleet.add_history(rows)
    it = scroll_through(browser, fleet, rows=rows)
    found.at_most(
        f"longest task while {it.rows:,} rows are scrolled, ms", 50, reached=it.longest_while_scrolling * 1000
    )
    found.at_most("longest task while they are loaded, ms", 50, reached=it.longest_while_loading * 1000)
    found.at_most("rows in the document", 60, reached=it.row_nodes)
    found.at_most("heap with them, MiB", 120, reached=it.heap_mib)
    found.notes.append(f"{it.rows:,} rows were loaded in {it.loaded:,.1f} s, 200 at a time.")


def _look_at_workflows(found: Found, browser: Browser, *, fleet: Fleet, steps: int, rounds: int) -> None:
    it = look_at_workflows(browser, fleet, steps=steps, rounds=rounds)
    found.at_most(f"layout of {steps:,} steps in the worker, ms", 120, reached=it.layout * 1000)
    found.at_most("their graph, from the click on its name, ms", 300, reached=it.drawn * 1000)
    found.at_most("boxes touched by one change of status", 1, reached=it.boxes_touched)
    found.at_most(f"gantt of {steps:,} steps, from the click on its tab, ms", 50, reached=it.gantt * 1000)


def _rest(found: Found, browser: Browser, *, fleet: Fleet, seconds: float) -> None:
    nothing = rest_on_nothing(browser, seconds=seconds)
    ours, flowers = (rest(browser, fleet, seconds=seconds) for rest in (rest_on_ours, rest_on_flower))
    found.at_most("idle Overview beyond an empty page, % of a core", 1, reached=ours.percent - nothing.percent)
    found.at_most("layouts of the idle Overview a second", 0, reached=ours.layouts / ours.seconds)
    for name, idle in {"An empty page": nothing, "Idle Overview": ours, "Idle Flower": flowers}.items():
        found.notes.append(f"{name}: {_in_words(idle)}.")


def _in_words(idle: Idle) -> str:
    kinds = ", ".join(f"{kind} {percent:.2f}" for kind, percent in idle.used.items() if percent > 0)
    a_second = f"{idle.layouts / idle.seconds:.1f} layouts and {idle.style_changes / idle.seconds:.1f} style changes"
    return f"{idle.percent:.2f} % of a core ({kinds}), {a_second} a second"


def _serve(found: Found, browser: Browser, *, fleet: Fleet, pages: int, rates: tuple[int, ...], seconds: float) -> None:
    streams = {count: serve_streams(fleet, streams=count, seconds=seconds) for count in (0, 1, pages)}
    found.at_most(f"API with {pages} streams, % of a core", 1, reached=streams[pages].percent)
    alone = {rate: _alone(fleet, rate, seconds=seconds) for rate in (0, *rates)}
    served = serve_pages(browser, fleet, pages=pages, rates=(0, *rates), seconds=seconds)
    for each, rate in zip(served, alone, strict=True):
        found.notes.append(
            f"API at {each.rate:,.0f} tasks a second: {each.percent:.1f} % of a core with {pages} pages open, "
            f"{alone[rate].percent:.1f} % with none."
        )
    found.at_most(
        f"API with {pages} pages at {served[-1].rate:,.0f} tasks a second, % of a core", 10, reached=served[-1].percent
    )
    found.notes += [f"API with {count} streams: {each.percent:.2f} % of a core." for count, each in streams.items()]


def _alone(fleet: Fleet, rate: int, *, seconds: float) -> Served:
    return serve_streams(fleet, streams=0, seconds=seconds, rate=rate)


if __name__ == "__main__":
    typer.run(main)
