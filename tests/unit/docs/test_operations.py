"""docs/operations.md tells what each metric means, and what to do about each alert and each unhealthy part."""

import re
from pathlib import Path

from api.health.metrics import Metrics
from domain.alerts.rules import AlertType
from tests.unit.api.test_metrics import rendered

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
METRIC = re.compile(r"`(celeriac_\w+)")
SUFFIX = re.compile(r"_(bucket|count|sum|created)$")


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(celeriac_\w+)", PAGE, re.MULTILINE)
    metrics = Metrics()
    metrics.observe_request("GET", "/tasks", status=200, seconds=0.1)
    shown = {SUFFIX.sub("", name) for name, _ in rendered(metrics) if name.startswith("celeriac_")}
    assert sorted(rows) == sorted(shown)


def test_no_other_metric_is_named() -> None:
    assert set(METRIC.findall(PAGE)) <= {*re.findall(r"^\| `(celeriac_\w+)", PAGE, re.MULTILINE)}


def test_each_alert_is_told_of() -> None:
    assert [kind.value for kind in AlertType if f"`{kind.value}`" not in PAGE] == []
