"""Workflows in files: JSON, YAML or TOML, all with the body of `POST /workflows`."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from cli.errors import CliError

MAX_BYTES = 16 * 1024 * 1024
"""How many bytes `POST /workflows` takes."""

PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".toml": tomllib.loads,
}


def read_workflow(file: Path) -> dict[str, Any]:
    """Return the body in a file, by the ending of its name; whether it is a workflow is for the API to say."""
    parse = PARSERS.get(file.suffix.lower())
    if parse is None:
        raise CliError(f"{file.name}: the name must end with one of {', '.join(PARSERS)}.")
    try:
        if file.stat().st_size > MAX_BYTES:
            raise CliError(f"{file.name} is larger than 16 MiB.")
        body = parse(file.read_text())
        json.dumps(body)
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        # TOML and YAML have times, which JSON has not.
        raise CliError(f"{file.name} cannot be read as {file.suffix[1:]}: {error}") from error
    if not isinstance(body, dict):
        raise CliError(f"{file.name} must hold an object with `name` and `steps`.")
    return body
