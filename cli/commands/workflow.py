"""`celeriac workflow run FILE | show ID | retry ID | cancel ID`: workflows over REST."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.options import DEFAULT_URL, Json, Url
from cli.terminal import print_json, print_text
from cli.workflow_files import read_workflow
from cli.workflow_tree import follow, show_tree

WorkflowId = Annotated[str, typer.Argument(metavar="ID")]
Wait = Annotated[bool, typer.Option(help="Follow it to its end; exit code 1 unless it completed.")]

command = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@command.command(help="Start the workflow in a file: .json, .yaml or .toml with the body of POST /workflows.")
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    wait: Wait = False,
    *,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Start the workflow of a file and, if asked, follow it to its end."""
    body = read_workflow(file)
    with Client(url) as client:
        workflow_id = client.start_workflow(body)["workflow_id"]
        _finish(client, workflow_id, wait=wait, as_json=as_json)


@command.command(help="Show a workflow as a tree, live while it runs.")
def show(
    workflow_id: WorkflowId,
    once: Annotated[bool, typer.Option(help="Show it as it is now.")] = False,
    *,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show a workflow, live while it runs."""
    with Client(url) as client:
        workflow = client.workflow(workflow_id)
        if not (once or as_json):
            workflow = follow(client, workflow_id)
    _print(workflow, as_json=as_json)


@command.command(help="Go on with a failed or cancelled workflow; what has completed does not run again.")
def retry(workflow_id: WorkflowId, wait: Wait = False, *, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Let a workflow go on and, if asked, follow it to its end."""
    with Client(url) as client:
        client.change_workflow(workflow_id, "retry")
        _finish(client, workflow_id, wait=wait, as_json=as_json)


@command.command(help="Cancel a workflow: nothing of it starts any more, and what runs is stopped.")
def cancel(workflow_id: WorkflowId, url: Url = DEFAULT_URL, *, as_json: Json = False) -> None:
    """Cancel a workflow and print what became of it."""
    with Client(url) as client:
        answer = client.change_workflow(workflow_id, "cancel")
    print_json(answer) if as_json else print_text(answer["message"])


def _finish(client: Client, workflow_id: str, *, wait: bool, as_json: bool) -> None:
    workflow = follow(client, workflow_id, quiet=as_json) if wait else client.workflow(workflow_id)
    _print(workflow, as_json=as_json)
    if wait and workflow["status"] != "COMPLETED":
        raise typer.Exit(1)


def _print(workflow: dict[str, Any], *, as_json: bool) -> None:
    print_json(workflow) if as_json else show_tree(workflow)
