"""`python -m bench`, which is `make bench`: every program in turn, each in a process of its own.

One alone: `python -m bench.submission --help`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

PROGRAMS = (
    "whole_life",
    "submission",
    "dispatch",
    "ingest",
    "mirrors",
    "latency",
    "reading",
    "workflows",
    "plugin",
    "retention",
    "history",
    "trends",
    "scale_out",
    "caches",
    "memory",
    "dashboard",
)


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all reports to this file.")] = None,
) -> None:
    """Run every benchmark in turn; the exit code is 1 if one of them could not measure."""
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder:
        files = {name: Path(folder) / f"{name}.json" for name in PROGRAMS}
        failed = [name for name, file in files.items() if not _ran(name, file)]
        if json_file:
            reports = [json.loads(file.read_text()) for name, file in files.items() if name not in failed]
            json_file.write_text(json.dumps(reports, indent=2) + "\n")
    if failed:
        sys.exit(f"Not measured: {', '.join(failed)}.")


def _ran(name: str, file: Path) -> bool:
    command = [sys.executable, "-m", f"bench.{name}", "--json", str(file)]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    typer.run(main)
