"""docs/alerts.md tells the conditions with the defaults of `domain/alerts/rules.py`, and what to do about each."""

import re
from pathlib import Path

from domain.alerts.rules import DEFAULT_RULES, KINDS, AlertType

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| .* \| ([<>]) (\d+) (\w+) for (\d+) s \| (\w+) \|$", re.MULTILINE)


def test_the_table_has_the_default_rules() -> None:
    told = {row[0]: row[1:] for row in ROW.findall(PAGE)}
    assert told == {
        kind.value: (
            "<" if KINDS[kind].raised_below else ">",
            f"{rule.threshold:.0f}",
            KINDS[kind].unit.value,
            str(rule.for_seconds),
            rule.severity.value,
        )
        for kind, rule in DEFAULT_RULES.items()
    }


def test_each_type_says_what_to_do() -> None:
    assert re.findall(r"^\*\*(\w+)\.\*\*", PAGE, re.MULTILINE) == [kind.value for kind in AlertType]
