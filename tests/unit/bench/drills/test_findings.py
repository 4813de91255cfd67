import json
from pathlib import Path

import pytest

from bench.drills.findings import DrillReport, Figure, all_true, at_least, at_most, equal, present


@pytest.mark.parametrize(
    ("truth", "told", "tolerance", "is_true"),
    [
        (3, 3, 0, True),
        (3, 4, 0, False),
        (3, 3.0000001, 1e-6, True),
        (None, None, 0, True),
        (None, 0, 0, False),
        (0, None, 1, False),
        ("14:00", "15:00", 9, False),
    ],
)
def test_a_figure_is_true_within_its_tolerance(
    truth: float | str | None, told: float | str | None, tolerance: float, is_true: bool
) -> None:
    assert Figure("figure", truth, told, tolerance).is_true is is_true


def test_true_figures_are_one_finding_and_each_wrong_one_is_named() -> None:
    whole, wrong = all_true("stats", [Figure("depth", 1, 1), Figure("workers", 2, 3)])
    assert (whole.expected, whole.seen, whole.kept) == ("2 true", "1 true", False)
    assert (wrong.promise, wrong.expected, wrong.seen, wrong.kept) == ("stats: workers", "2", "3", False)


def test_figures_that_nobody_asked_for_are_not_true() -> None:
    assert [finding.kept for finding in all_true("stats", [])] == [False]


def test_bounds_include_themselves() -> None:
    assert [at_most("x", 2, seen=seen).kept for seen in (2, 2.1)] == [True, False]
    assert [at_least("x", 2, seen=seen).kept for seen in (2, 1.9)] == [True, False]


def test_a_broken_promise_is_shown_and_ends_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = DrillReport(
        title="A drill", findings=[equal("rows", 3, seen=3), equal("ids", 3, seen=2)], measured={"rows/s": 1.5}
    )
    with pytest.raises(SystemExit) as ended:
        present(report, tmp_path / "report.json")
    assert ended.value.code == 1
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["kept"], [finding["kept"] for finding in told["findings"]]) == (False, [True, False])
    assert told["measured"] == {"rows/s": 1.5}
    assert "BROKEN" in capsys.readouterr().out


def test_kept_promises_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    present(DrillReport(title="A drill", findings=[equal("rows", 3, seen=3)]), None)
    assert "BROKEN" not in capsys.readouterr().out
