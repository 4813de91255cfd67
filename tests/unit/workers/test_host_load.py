from pathlib import Path

import pytest
from celeriac_worker import host_load

MEMORY = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\nHugePages_Total:   0\n"


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A /proc of our own, where nothing is told yet."""
    monkeypatch.setattr(host_load, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(host_load, "_MEMORY", tmp_path / "meminfo")
    return tmp_path


def test_processors_are_busy_for_the_share_of_time_since_the_last_look(proc: Path) -> None:
    (proc / "stat").write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    measured = host_load.HostLoad()
    (proc / "stat").write_text("cpu  160 0 115 715 110 0 0 0 0 0\ncpu0 1 1 1 1\n")
    assert measured.cpu_percent() == 75.0
    assert measured.cpu_percent() is None, "no time has passed"


def test_memory_is_used_as_far_as_programs_cannot_have_it(proc: Path) -> None:
    (proc / "meminfo").write_text(MEMORY)
    assert host_load.HostLoad().memory_percent() == 75.0


def test_nothing_is_made_up_where_the_system_does_not_tell(proc: Path) -> None:
    assert (host_load.HostLoad().cpu_percent(), host_load.HostLoad().memory_percent()) == (None, None)
    (proc / "stat").write_text("intr 1\n")
    (proc / "meminfo").write_text("MemTotal: none\n")
    assert (host_load.HostLoad().cpu_percent(), host_load.HostLoad().memory_percent()) == (None, None)
