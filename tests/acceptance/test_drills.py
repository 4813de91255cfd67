"""The drills that are short enough, in small: each judges itself, and its exit code is 1 if a promise is broken.

Postgres frozen under marked readers is `tests/faults/test_resilience.py`; whole drills are run by hand.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.stack import POSTGRES_TO_COPY
from tests.embedded import migrated_postgres

SMALL = {
    "figures": ["--tasks", "200"],
    "export": ["--tasks", "20000"],
    "limit": ["--no-wait", "--limit", "200"],
    "inspect": ["--times", "3", "--only", "sep", "--only", "pickle"],
}


@pytest.mark.parametrize("drill", SMALL)
@pytest.mark.timeout(840)
def test_every_promise_of_the_drill_is_kept(drill: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "bench.drills", drill, *SMALL[drill], "--json", str(report)]
    environment = os.environ | {POSTGRES_TO_COPY: str(migrated_postgres())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800, check=False)

    assert report.exists(), done.stderr[-3000:]
    told = json.loads(report.read_text())
    assert [finding for finding in told["findings"] if not finding["kept"]] == []
    assert told["findings"]
    assert done.returncode == 0, done.stderr[-3000:]
