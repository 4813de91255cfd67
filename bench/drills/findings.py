"""What a drill found: each promise beside what was seen, as a table and as JSON, and the exit code it comes to.

Measurements without a verdict stand beside the findings. How fast things are compared with others is `bench/report.py`.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import Machine, describe_machine, one_line

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, and whether it was kept."""

    promise: str
    expected: str
    seen: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that the system told, and what a count of our own says it is."""

    name: str
    truth: Value
    told: Value
    tolerance: float = 0.0

    @property
    def is_true(self) -> bool:
        """Return whether both numbers are equal, as far as they can be."""
        if isinstance(self.truth, int | float) and isinstance(self.told, int | float):
            return math.isclose(self.truth, self.told, rel_tol=0, abs_tol=self.tolerance)
        return self.truth == self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """All that one drill found."""

    title: str
    findings: Sequence[Finding]
    measured: Mapping[str, Value] = field(default_factory=dict)
    notes: Sequence[str] = ()
    machine: Machine = field(default_factory=describe_machine)
    measured_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def kept(self) -> bool:
        """Return whether every promise was kept."""
        return all(finding.kept for finding in self.findings)


def equal(promise: str, expected: object, *, seen: object) -> Finding:
    """Return the finding that both are the same."""
    return Finding(promise, str(expected), str(seen), expected == seen)


def at_most(promise: str, limit: float, *, seen: float, unit: str = "") -> Finding:
    """Return the finding that no more than the limit was seen."""
    return Finding(promise, f"<= {limit:,g}{unit}", f"{seen:,.3g}{unit}", seen <= limit)


def at_least(promise: str, limit: float, *, seen: float, unit: str = "") -> Finding:
    """Return the finding that no less than the limit was seen."""
    return Finding(promise, f">= {limit:,g}{unit}", f"{seen:,.3g}{unit}", seen >= limit)


def all_true(promise: str, figures: Iterable[Figure]) -> list[Finding]:
    """Return one finding for all figures together, and one more for each that is wrong."""
    counted = list(figures)
    wrong = [figure for figure in counted if not figure.is_true]
    whole = Finding(promise, f"{len(counted)} true", f"{len(counted) - len(wrong)} true", bool(counted) and not wrong)
    return [whole, *(Finding(f"{promise}: {each.name}", str(each.truth), str(each.told), False) for each in wrong)]


def listed(counts: Mapping[str, int]) -> str:
    """Return how often each was seen: `2 x this, 1 x that`."""
    return ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none"


def present(report: DrillReport, json_file: Path | None) -> None:
    """Print the table, write the JSON if a file was named; ends the process with 1 if a promise was not kept."""
    console = Console()
    console.print(_as_table(report))
    for name, value in report.measured.items():
        console.print(f"{name}: {value:,.1f}" if isinstance(value, float) else f"{name}: {value}")
    for note in (*report.notes, one_line(report.machine)):
        console.print(note, style="dim", highlight=False)
    if json_file:
        json_file.write_text(json.dumps(as_json(report), indent=2) + "\n")
    if not report.kept:
        sys.exit(1)


def as_json(report: DrillReport) -> dict[str, Any]:
    """Return all that the table shows."""
    return {
        "title": report.title,
        "kept": report.kept,
        "measured_at": report.measured_at.isoformat(),
        "machine": report.machine,
        "findings": [asdict(finding) for finding in report.findings],
        "measured": dict(report.measured),
        "notes": list(report.notes),
    }


def _as_table(report: DrillReport) -> Table:
    table = Table(title=report.title, title_justify="left")
    table.add_column("promise")
    for heading in ("expected", "seen"):
        table.add_column(heading, justify="right", overflow="fold")
    table.add_column("")
    for finding in report.findings:
        table.add_row(finding.promise, finding.expected, finding.seen, "kept" if finding.kept else "BROKEN")
    return table
