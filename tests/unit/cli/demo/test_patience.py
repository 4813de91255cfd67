import httpx
import pytest

from cli.client import NotReachable
from cli.demo.patience import PatientClient
from tests.unit.cli.apis import answering

REFUSED = httpx.ConnectError("Connection refused")


@pytest.fixture(autouse=True)
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited; the clock goes on by them alone."""
    paused: list[float] = []
    monkeypatch.setattr("cli.demo.patience.time.monotonic", lambda: sum(paused))
    monkeypatch.setattr("cli.demo.patience.time.sleep", paused.append)
    return paused


@pytest.mark.parametrize("fault", [REFUSED, httpx.ReadError("reset"), httpx.RemoteProtocolError("closed")])
def test_an_api_that_comes_is_waited_for_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    told: list[str] = []
    with (
        answering(monkeypatch, fault, fault, fault, (200, {"status": "healthy"})) as api,
        PatientClient("http://:secret@h", tell=told.append) as client,
    ):
        assert client.health() == {"status": "healthy"}
    assert len(api.asked) == 4
    assert [line.split(":")[0] for line in told] == ["No answer from http"]
    assert "secret" not in told[0]


def test_one_that_does_not_come_is_waited_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, paused: list[float]
) -> None:
    with (
        answering(monkeypatch, REFUSED),
        PatientClient("http://h", tell=lambda _: None) as client,
        pytest.raises(NotReachable, match="No answer from http://h"),
    ):
        client.health()
    assert 30 <= sum(paused) < 40


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("slow"), httpx.InvalidURL("no host")])
def test_where_asking_again_may_do_harm_or_helps_nothing_it_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, paused: list[float], fault: Exception
) -> None:
    with (
        answering(monkeypatch, fault),
        PatientClient("http://h", tell=lambda _: None) as client,
        pytest.raises(NotReachable),
    ):
        client.health()
    assert paused == []
