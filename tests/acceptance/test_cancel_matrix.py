"""One state of the cancel drill, few tries: `python -m bench.drills cancel` makes twenty of each, on either broker."""

import pytest

from bench.drills.cancel_matrix import measure
from bench.stack import POSTGRES_TO_COPY
from tests.embedded import migrated_postgres


def test_cancelled_tasks_that_a_killed_worker_had_fetched_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_TO_COPY, str(migrated_postgres()))
    report = measure(tries=3, states=("prefetched",))
    broken = [
        f"{each.promise}: expected {each.expected}, seen {each.seen}" for each in report.findings if not each.kept
    ]
    assert broken == []
    assert len(report.findings) == 2
