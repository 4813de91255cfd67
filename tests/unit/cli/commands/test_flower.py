"""How Flower is begun, and what stands before its pages."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flower.command
import pytest
from tornado.httputil import HTTPHeaders

from cli.commands import flower as flower_command
from cli.commands.flower import HEADERS, ClosedFlower, MetricsBehindLogin, Refuse, TellBrowsersToBeStrict
from cli.errors import CliError
from domain.origins import own_origins
from tests.unit.cli.commands.commands import run


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[list[str]]]:
    """The command lines with which Flower was begun."""
    lines: list[list[str]] = []
    monkeypatch.setenv("CELERIAC_BROKER_URL", "redis://:s3cret@h/0")
    monkeypatch.setenv("CELERIAC_DATA", str(tmp_path))
    monkeypatch.delenv("CELERIAC_FLOWER_PORT", raising=False)
    monkeypatch.delenv("FLOWER_UNAUTHENTICATED_API", raising=False)
    monkeypatch.setattr(flower.command, "Flower", flower.command.Flower)
    monkeypatch.setattr(flower_command, "resolve_name", lambda _: SimpleNamespace(start=lines.append))
    yield lines
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)


def test_it_listens_where_the_settings_say_and_no_secret_is_on_its_command_line(
    begun: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_FLOWER_PORT", "5556")
    run("flower")
    assert begun == [["flower", "--address=127.0.0.1", "--port=5556"]]
    assert flower.command.Flower.func is ClosedFlower


def test_port_0_means_none(begun: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_FLOWER_PORT", "0")
    with pytest.raises(CliError, match=r"^CELERIAC_FLOWER_PORT is 0, which means no Flower\.$"):
        run("flower")
    assert begun == []


def test_a_broker_is_needed(begun: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERIAC_BROKER_URL")
    with pytest.raises(CliError, match="CELERIAC_BROKER_URL"):
        run("flower")


@pytest.mark.parametrize("value", ["true", "1", "s3cret"])
def test_the_variable_that_opens_its_api_to_all_is_not_obeyed_and_that_is_said(
    begun: list[list[str]], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", value)
    result = run("flower")
    assert "celeriac: FLOWER_UNAUTHENTICATED_API is not obeyed" in result.stderr
    assert "s3cret" not in result.output
    assert "FLOWER_UNAUTHENTICATED_API" not in os.environ
    assert len(begun) == 1


class Bare(ClosedFlower):
    """Without Flower's own beginning, which asks a broker."""

    def __init__(self) -> None:
        self._own = own_origins("127.0.0.1", ())

    def get_handler_delegate(self, _request: object, *answer: Any) -> Any:
        return answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:5555"}, 421),
        ({"Host": "127.0.0.1:5555", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1:5555", "Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
    ],
)
def test_pages_of_others_and_hosts_of_others_are_refused_before_any_handler(
    headers: dict[str, str], status: int
) -> None:
    request: Any = SimpleNamespace(method="POST", headers=HTTPHeaders(headers))
    assert Bare().find_handler(request) == (Refuse, {"status": status})


def test_every_answer_tells_browsers_to_be_strict() -> None:
    transform = TellBrowsersToBeStrict(SimpleNamespace())  # type: ignore[arg-type]
    status, headers, chunk = transform.transform_first_chunk(404, HTTPHeaders({"X-Frame-Options": "ALLOW"}), b"x", True)
    assert (status, chunk) == (404, b"x")
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert headers.get_list("X-Frame-Options") == ["DENY"]


@pytest.mark.parametrize(("basic_auth", "asks"), [(["u:p"], True), ([], False)])
def test_metrics_ask_for_the_login_where_there_is_one(basic_auth: list[str], asks: bool) -> None:
    asked: list[str] = []
    handler: Any = SimpleNamespace(
        application=SimpleNamespace(options=SimpleNamespace(basic_auth=basic_auth)),
        get_current_user=lambda: asked.append("asked"),
    )
    MetricsBehindLogin.prepare(handler)
    assert bool(asked) is asks
