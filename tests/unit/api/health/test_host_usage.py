from types import SimpleNamespace

import pytest

from api.health import host_usage as module
from api.health.host_usage import FRESH_SECONDS, HostUsage


class Host:
    """A clock, and a CPU that is read."""

    def __init__(self) -> None:
        self.now, self.busy, self.reads = 100.0, 0.0, 0

    def cpu_percent(self, interval: float | None) -> float:
        assert interval is None, "a reading must not wait"
        self.reads += 1
        return self.busy

    def virtual_memory(self) -> SimpleNamespace:
        return SimpleNamespace(percent=62.5)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(module, "psutil", host)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: host.now))
    return host


def test_in_the_first_second_nobody_knows_how_busy_the_cpu_is(host: Host) -> None:
    usage = HostUsage()
    host.now += FRESH_SECONDS - 0.01
    assert usage.cpu_percent() is None
    host.now += 0.01
    host.busy = 45.2
    assert usage.cpu_percent() == 45.2


def test_the_cpu_is_read_once_a_second_however_many_ask(host: Host) -> None:
    usage = HostUsage()
    host.now += FRESH_SECONDS
    host.busy = 10.0
    assert [usage.cpu_percent() for _ in range(5)] == [10.0] * 5
    host.busy = 90.0
    host.now += FRESH_SECONDS - 0.01
    assert usage.cpu_percent() == 10.0
    host.now += 0.01
    assert usage.cpu_percent() == 90.0
    assert host.reads == 3


def test_an_idle_cpu_is_0_and_not_unknown(host: Host) -> None:
    usage = HostUsage()
    host.now += FRESH_SECONDS
    assert usage.cpu_percent() == 0.0


def test_memory_is_what_is_not_available(host: Host) -> None:
    assert HostUsage().memory_percent() == 62.5
