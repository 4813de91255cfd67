"""docs/in-flight.md names loops that run and lines that are logged, and every loop that looks after tasks in flight."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "in-flight.md").read_text()
ROWS = [line.strip("|").split("|") for line in re.findall(r"^\| (?!What).*\|$", PAGE, re.MULTILINE)]
"""What goes wrong, who notices, the proof, what is done, the line in the log."""


def test_every_line_is_a_log_event() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs" / "events.md").read_text(), re.MULTILINE))
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[4])}
    assert named
    assert named <= listed


def test_every_loop_that_notices_something_runs() -> None:
    loops = set(re.findall(r'Loop\("(\w+)"', (REPOSITORY / "loops" / "main.py").read_text()))
    named = {name for row in ROWS for name in re.findall(r"`([a-z_]+)`", row[1])}
    assert {"dispatch", "cancels"} <= named
    assert named - {"timeout_seconds"} <= loops
