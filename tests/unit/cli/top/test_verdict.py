"""`celeriac top` says what the page says: dashboard/tests/said.test.ts holds the page to the same table."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.top.situation import Situation
from cli.top.verdict import verdict_of

SAID = json.loads((Path(__file__).parents[4] / "dashboard" / "tests" / "said.json").read_text())
USUAL: dict[str, Any] = {
    "health": {"status": "healthy"},
    "stats": {"total_tasks_submitted": 10, "queue_depth": 0, "parked": 0},
    "alerts": [],
}
NAMES = {
    "donePerMinute": "done_per_minute",
    "failedPercent": "failed_percent",
    "meanWait": "mean_wait",
    "isPartial": "is_partial",
}
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("case", SAID["verdicts"], ids=lambda case: case["why"])
def test_the_verdict_is_that_of_the_page(case: dict[str, Any]) -> None:
    given = USUAL | {NAMES.get(name, name): value for name, value in case["situation"].items()}
    verdict = verdict_of(Situation(now=NOW, **given))
    assert (verdict.tone, verdict.text, verdict.rest) == (case["tone"], case["text"], case["rest"])
    assert list(verdict.others) == case.get("others", [])
