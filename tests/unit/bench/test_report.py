import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.figures import Series, Turn
from bench.report import Goal, Report, as_json, as_table, parts_table, present

OURS = Series("ours", (Turn(600, 1.0, (0.001, 0.002, 0.003)), Turn(1200, 2.0), Turn(100, 1.0)))
THEIRS = Series("theirs", (Turn(100, 1.0),) * 3)


def make_report() -> Report:
    goals = [Goal("ours against theirs", 6, OURS.ratio_to(THEIRS)), Goal("wait, ms", 25, 26.0, at_most=True)]
    return Report(title="A race", unit="things", series=[OURS, THEIRS], baselines=["theirs"], goals=goals, notes=["!"])


def shown(report: Report) -> list[list[str]]:
    """The cells of the table, row by row."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(as_table(report))
    lines = [line for line in capture.get().splitlines() if line[:1] in "┃│"]
    return [[cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")] for line in lines]


def test_the_table_tells_medians_turns_percentiles_and_ratios() -> None:
    assert shown(make_report()) == [
        ["things", "per s", "turns", "p50 ms", "p95 ms", "p99 ms", "x theirs"],
        ["ours", "600", "600 600 100", "2.0", "3.0", "3.0", "6.00"],
        ["theirs", "100", "100 100 100", "", "", "", "1.00"],
    ]


def test_a_table_of_latencies_has_no_rates() -> None:
    report = Report(title="Waits", unit=None, series=[Series("wait", (Turn(2, 0.3, (0.1, 0.2)),))])
    assert shown(report) == [["", "p50 ms", "p95 ms", "p99 ms"], ["wait", "100.0", "200.0", "200.0"]]


def test_a_table_of_rates_has_no_latencies() -> None:
    report = Report(title="Rates", unit="things", series=[THEIRS])
    assert shown(report) == [["things", "per s", "turns"], ["theirs", "100", "100 100 100"]]


def test_a_cost_is_told_in_microseconds() -> None:
    costly = Series("costly", (Turn(100, 1.0, processor_seconds=0.05),))
    report = Report(title="Rates", unit="things", series=[THEIRS, costly])
    assert shown(report) == [
        ["things", "per s", "turns", "cpu us"],
        ["theirs", "100", "100 100 100", ""],
        ["costly", "100", "100", "500"],
    ]
    assert [told["cpu_us"] for told in as_json(report)["series"]] == [None, 500]


def test_the_json_holds_what_the_table_shows() -> None:
    told = json.loads(json.dumps(as_json(make_report())))

    assert told["series"][0] == {
        "name": "ours",
        "rate": 600,
        "rounds": [600, 600, 100],
        "cpu_us": None,
        "latency_ms": {"p50": 2.0, "p95": 3.0, "p99": 3.0, "mean": pytest.approx(2.0), "count": 3},
        "ratios": {"theirs": 6.0},
    }
    assert told["series"][1]["latency_ms"] is None
    assert [goal["met"] for goal in told["goals"]] == [True, False]


def test_the_machine_is_described_without_its_name() -> None:
    machine = make_report().machine
    assert {"cpus", "cpu_model", "memory_gib", "load_before", "system", "python", "celery"} <= machine.keys()
    assert "host" not in " ".join(machine)


def test_a_report_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    present(make_report(), file)

    printed = capsys.readouterr().out
    assert "A race" in printed
    assert "met: ours against theirs 6.0 (goal >= 6)" in printed
    assert "MISSED: wait, ms 26.0 (goal <= 25)" in printed
    assert json.loads(file.read_text())["title"] == "A race"


def test_parts_are_told_beside_each_other_with_their_sum() -> None:
    parts = {"ours": {"api": 3.0, "mirror": 4.0}, "theirs": {"flower": 2.0}}
    console = Console(width=200)
    with console.capture() as capture:
        console.print(parts_table(parts))
    rows = [line.split() for line in capture.get().replace("│", " ").splitlines() if line[:1] == " " and line.strip()]

    assert rows == [["api", "3.0"], ["mirror", "4.0"], ["flower", "2.0"], ["all", "7.0", "2.0"]]
