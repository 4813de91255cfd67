"""`celeriac doctor`: prints what `cli/doctor.py` finds; exit code 1 if anything fails."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.addresses import read_addresses, with_addresses
from cli.beside.report import show_app, show_fleet
from cli.beside.run import examine_beside
from cli.configuration import read_settings
from cli.doctor import CheckResult, examine
from cli.options import DEFAULT_URL, App, Data, Json, Python
from cli.terminal import line_of, print_json

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def command(
    data: Data = None,
    url: Annotated[str | None, typer.Option(envvar="CELERIAC_URL", help="Where the REST API is.")] = None,
    *,
    as_json: Json = False,
    app: App = None,
    python: Python = None,
) -> None:
    """Print all findings; exits with 1 if anything fails."""
    if app is not None:
        _examine_beside(app, python=python, data=data, url=url, as_json=as_json)
        return
    settings = with_addresses(read_settings(data=data))
    running = read_addresses(settings.data)
    findings = examine(settings, api_url=url or (running.api_url if running else DEFAULT_URL), running=running)
    print_json([asdict(finding) for finding in findings], indent=2) if as_json else _show(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _examine_beside(app: str, *, python: str | None, data: str | None, url: str | None, as_json: bool) -> None:
    examined = examine_beside(app, python=python, data=data, url=url)
    if as_json:
        print_json(examined.as_json(), indent=2)
    else:
        show_app(app, examined.facts, interpreter=examined.interpreter, beside=examined.beside)
        print()
        _show(examined.findings)
        show_fleet(examined.consumers, examined.advice)
    if any(finding.verdict == "fail" for finding in examined.findings):
        raise typer.Exit(1)


def _show(findings: list[CheckResult]) -> None:
    console = Console(soft_wrap=True)
    for finding in findings:
        line = Text(f"{finding.verdict:<4} ", style=COLOURS[finding.verdict])
        line.append(line_of(f"{finding.subject}: {finding.detail}", style="default"))
        console.print(line)
        if finding.mend:
            console.print(line_of(f"     {finding.mend}", style="dim"))
