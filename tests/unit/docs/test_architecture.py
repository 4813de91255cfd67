"""ARCHITECTURE.md lists every background loop, and no other."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_the_table_of_loops_is_that_of_the_process() -> None:
    section = (REPOSITORY / "ARCHITECTURE.md").read_text().partition("## The loops")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    run = re.findall(r'Loop\("(\w+)"', (REPOSITORY / "loops" / "main.py").read_text())
    assert sorted(told) == sorted(run)
