"""How results are shown: one table on the terminal and the same as JSON."""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.figures import Series, percentile
from bench.machine import Machine, describe_machine, one_line

PERCENTS = (50, 95, 99)
FILE_WIDTH = 120
"""Width of the table where there is no terminal to fit into."""

JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the report to this file.")]
Rounds = Annotated[int, typer.Option(min=1, max=100, help="Turns of each contender; medians are reported.")]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that we want, and what was reached. `at_most`: less is better."""

    text: str
    wanted: float
    reached: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Return whether it was reached."""
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One program's results. Each series is also told as a multiple of each baseline."""

    title: str
    unit: str | None
    """The thing counted a second; None where only latencies say something."""
    series: Sequence[Series]
    baselines: Sequence[str] = ()
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What each part of a system used, by a heading that says of what, and the part's name."""
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()
    machine: Machine = field(default_factory=describe_machine)
    measured_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ratios(self, series: Series) -> dict[str, float]:
        """Return how many times the rate of each baseline the series has."""
        return {other.name: series.ratio_to(other) for other in self.series if other.name in self.baselines}


def present(report: Report, json_file: Path | None) -> None:
    """Print the table; write the JSON if a file was named."""
    console = open_console()
    console.print(as_table(report) if report.series else report.title)
    if report.parts:
        console.print(parts_table(report.parts))
    for goal in report.goals:
        verdict, sign = "met" if goal.met else "MISSED", "<=" if goal.at_most else ">="
        console.print(f"{verdict}: {goal.text} {goal.reached:,.1f} (goal {sign} {goal.wanted:g})")
    for note in (*report.notes, one_line(report.machine)):
        console.print(note, style="dim", highlight=False)
    if json_file:
        json_file.write_text(json.dumps(as_json(report), indent=2) + "\n")


def open_console() -> Console:
    """Return a console as wide as the terminal; in a file nothing is cut off."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def as_table(report: Report) -> Table:
    """Return one row for each contender; a cell is empty where nothing was measured."""
    table = Table(title=report.title, title_justify="left")
    table.add_column(report.unit or "", no_wrap=True)
    rates = ["per s", "turns"] if report.unit else []
    costs = ["cpu us"] if any(series.cost is not None for series in report.series) else []
    percents = PERCENTS if any(series.latencies for series in report.series) else ()
    latencies, ratios = [f"p{percent} ms" for percent in percents], [f"x {name}" for name in report.baselines]
    for heading in (*rates, *costs, *latencies, *ratios):
        table.add_column(heading, justify="right")
    for series in report.series:
        cells = [f"{series.rate:,.0f}", " ".join(f"{each.rate:,.0f}" for each in series.rounds)] if report.unit else []
        cells += [f"{series.cost * 1e6:,.0f}" if series.cost is not None else "" for _ in costs]
        cells += [_milliseconds(series, percent) for percent in percents]
        cells += [f"{ratio:.2f}" for ratio in report.ratios(series).values()]
        table.add_row(series.name, *cells)
    return table


def parts_table(parts: Mapping[str, Mapping[str, float]]) -> Table:
    """Return one row for each part and one for all together; a cell is empty where there is no such part."""
    table = Table("")
    for heading in parts:
        table.add_column(heading, justify="right")
    for name in dict.fromkeys(name for used in parts.values() for name in used):
        table.add_row(name, *(f"{used[name]:,.1f}" if name in used else "" for used in parts.values()))
    table.add_section()
    table.add_row("all", *(f"{sum(used.values()):,.1f}" for used in parts.values()))
    return table


def as_json(report: Report) -> dict[str, Any]:
    """Return all that the table shows, unrounded."""
    return {
        "title": report.title,
        "unit": report.unit,
        "measured_at": report.measured_at.isoformat(),
        "machine": report.machine,
        "series": [_series_json(report, series) for series in report.series],
        "parts": report.parts,
        "goals": [
            {"text": goal.text, "wanted": goal.wanted, "reached": goal.reached, "met": goal.met}
            for goal in report.goals
        ],
        "notes": list(report.notes),
    }


def _series_json(report: Report, series: Series) -> dict[str, Any]:
    latencies = series.latencies
    return {
        "name": series.name,
        "rate": series.rate if report.unit else None,
        "rounds": [each.rate for each in series.rounds] if report.unit else [],
        "cpu_us": series.cost * 1e6 if series.cost is not None else None,
        "latency_ms": {
            **{f"p{percent}": percentile(latencies, percent) * 1000 for percent in PERCENTS},
            "mean": statistics.fmean(latencies) * 1000,
            "count": len(latencies),
        }
        if latencies
        else None,
        "ratios": report.ratios(series),
    }


def _milliseconds(series: Series, percent: float) -> str:
    return f"{percentile(series.latencies, percent) * 1000:,.1f}" if series.latencies else ""
