"""What `celeriac doctor` asks, prints and ends with."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.addresses import Addresses, write_addresses
from cli.commands import doctor
from cli.doctor import CheckResult
from tests.unit.cli.commands.commands import run

WELL = CheckResult("redis", "ok", "reachable")
WARNED = CheckResult("redis", "warn", "maxmemory-policy is lru", "Set it.")
FAILED = CheckResult("broker", "fail", "no answer", "Is it running?")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What was examined, and what is found."""
    asked = SimpleNamespace(findings=[WELL], api_urls=[], running=[], settings=[])

    def examine(settings: Any, *, api_url: str, running: Addresses | None) -> list[CheckResult]:
        asked.settings.append(settings)
        asked.api_urls.append(api_url)
        asked.running.append(running)
        return list(asked.findings)

    for name in ("CELERIAC_URL", "CELERIAC_DATABASE_URL", "CELERIAC_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "examine", examine)
    return asked


@pytest.mark.parametrize(("findings", "code"), [([], 0), ([WELL], 0), ([WELL, WARNED], 0), ([WELL, FAILED, WARNED], 1)])
@pytest.mark.parametrize("as_json", [True, False])
def test_only_a_failure_is_an_exit_code(
    asked: SimpleNamespace, findings: list[CheckResult], code: int, as_json: bool
) -> None:
    asked.findings = findings
    result = run("doctor", *(["--json"] if as_json else []))
    assert result.exit_code == code
    if as_json:
        assert [each["verdict"] for each in json.loads(result.stdout)] == [each.verdict for each in findings]


def test_what_is_wrong_is_followed_by_what_to_do(asked: SimpleNamespace) -> None:
    asked.findings = [WELL, FAILED]
    assert run("doctor").stdout.splitlines() == [
        "ok   redis: reachable",
        "fail broker: no answer",
        "     Is it running?",
    ]


def test_the_servers_of_a_running_up_stand_in_for_what_is_not_set(asked: SimpleNamespace, tmp_path: Path) -> None:
    running = Addresses("http://127.0.0.1:9", "postgresql://kept/db", "redis://kept/0", "r", "k")
    write_addresses(tmp_path, running)
    run("doctor", "--data", str(tmp_path))
    assert (asked.api_urls, asked.running) == (["http://127.0.0.1:9"], [running])
    assert asked.settings[0].database_url == "postgresql://kept/db"


def test_the_api_is_the_one_named_else_that_of_the_running_up_else_the_usual_one(
    asked: SimpleNamespace, tmp_path: Path
) -> None:
    run("doctor", "--data", str(tmp_path))
    run("doctor", "--data", str(tmp_path), "--url", "http://named.test")
    assert (asked.api_urls, asked.running) == (["http://127.0.0.1:8000", "http://named.test"], [None, None])


@pytest.mark.parametrize(("findings", "code"), [([WARNED], 0), ([FAILED], 1)])
def test_beside_an_app_the_same_holds(monkeypatch: pytest.MonkeyPatch, findings: list[CheckResult], code: int) -> None:
    examined = SimpleNamespace(findings=findings, as_json=lambda: {"app": "shop"})
    given: list[object] = []

    def examine(name: str, **options: object) -> Any:
        given.append((name, options))
        return examined

    monkeypatch.setattr(doctor, "examine_beside", examine)
    result = run("doctor", "-A", "shop", "--json", "--url", "http://api.test")
    assert (result.exit_code, json.loads(result.stdout)) == (code, {"app": "shop"})
    assert given == [("shop", {"python": None, "data": None, "url": "http://api.test"})]
