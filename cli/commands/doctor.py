"""`celeriac doctor`: prints what `cli/doctor.py` finds; exit code 1 if anything fails."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.addresses import read_addresses, with_addresses
from cli.configuration import read_settings
from cli.doctor import Finding, examine
from cli.options import DEFAULT_URL, Data, Json
from cli.terminal import line_of, print_json

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def command(
    data: Data = None,
    url: Annotated[str | None, typer.Option(envvar="CELERIAC_URL", help="Where the REST API is.")] = None,
    as_json: Json = False,
) -> None:
    settings = with_addresses(read_settings(data=data))
    running = read_addresses(settings.data)
    findings = examine(settings, api_url=url or (running.api_url if running else DEFAULT_URL))
    print_json([asdict(finding) for finding in findings], indent=2) if as_json else _show(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    console = Console(soft_wrap=True)
    for finding in findings:
        line = Text(f"{finding.verdict:<4} ", style=COLOURS[finding.verdict])
        line.append(line_of(f"{finding.subject}: {finding.detail}", style="default"))
        console.print(line)
        if finding.mend:
            console.print(line_of(f"     {finding.mend}", style="dim"))
