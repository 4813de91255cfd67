"""docs/in-flight.md names loops that run and lines that are logged, and every loop that looks after tasks in flight."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "in-flight.md").read_text()
ROWS = re.findall(r"^\| (?!What|--)(.*) \|$", PAGE, re.MULTILINE)


def test_every_line_is_a_log_event() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs" / "events.md").read_text(), re.MULTILINE))
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row.split(" | ")[-1])}
    assert named
    assert named <= listed


def test_every_loop_that_notices_something_runs() -> None:
    loops = set(re.findall(r'Loop\("(\w+)"', (REPOSITORY / "loops" / "main.py").read_text()))
    named = {name for row in ROWS for name in re.findall(r"`([a-z_]+)`", row.split(" | ")[1])}
    assert {"dispatch", "cancels"} <= named
    assert named - {"timeout_seconds"} <= loops
