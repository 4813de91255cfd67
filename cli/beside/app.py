"""Asks a Celery app what it is configured with, in a process of its own and with the app's own interpreter.

The process is `cli/beside/reader.py`. What it tells holds passwords: it comes through a pipe, and is never shown whole.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cli.configuration import RESERVED_MODULES
from cli.errors import CliError

OWN_ROOT = Path(__file__).resolve().parents[2]
READER = Path(__file__).with_name("reader.py")
READ_SECONDS = 60.0
"""Large Django projects take ten; a machine may be slow. What hangs, hangs for ever: a connection that is opened."""
NOBODY_ELSES = {"celeriac_command", "celeriac_worker"}
"""Packages of ours whose names no app has, and which an app may import."""
LARGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AppQueue:
    """A queue that the app names in its settings."""

    name: str
    exchange: str
    type: str


@dataclass(frozen=True, slots=True)
class AppFacts:
    """What an app is configured with. `options` and `dictionaries` go by the names of Celery's settings."""

    python: str
    celery: str
    kombu: str
    name: str | None
    broker_url: str = field(repr=False)
    result_backend: str | None = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    dictionaries: dict[str, dict[str, Any] | bool | None] = field(repr=False)
    queues: list[AppQueue]
    plugin: str | None
    """The plugin's version, where workers of this interpreter can have it."""
    plugin_installed: bool
    """Whether the app has called `install`."""
    is_made: bool
    """Whether what was named makes the app when it is called."""
    left_out: list[str]
    """Options whose values are code, which no other process can have."""

    def dictionary(self, name: str) -> dict[str, Any]:
        """Return a setting that is a dictionary; empty where the app does not have it."""
        value = self.dictionaries.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class _Refusal:
    kind: str
    text: str
    type: str = ""
    where: str = ""
    missing: str = ""


class _Answer(msgspec.Struct):
    error: _Refusal


def read_app(name: str, interpreter: str, *, limit_seconds: float = READ_SECONDS) -> AppFacts:
    """Return what the app says. Raises CliError, in a sentence without secrets, where it cannot be asked."""
    answer = _run(name, interpreter, limit_seconds=limit_seconds)
    try:
        return msgspec.json.decode(answer, type=AppFacts)
    except msgspec.ValidationError:
        pass
    except msgspec.DecodeError:
        raise CliError(f"The app {name!r} ended its process while it was imported by {interpreter}.") from None
    try:
        refusal = msgspec.json.decode(answer, type=_Answer).error
    except msgspec.ValidationError as error:
        raise CliError(f"What the app {name!r} says of itself is not understood: {error}.") from None
    raise CliError(_sentence(name, interpreter, refusal=refusal))


def interpreter_of(python: str | None) -> str:
    """Return the one named, that of the active virtual environment, or else ours. Raises CliError for one that is not
    there.

    As it was written: the `python` of a virtual environment is a link, and would be another at the link's end.
    """
    if python is not None:
        path = shutil.which(python)
        if path is None:
            raise CliError(f"There is no interpreter {python!r}; --python takes the path of one.")
        return str(Path(path).absolute())
    active = os.environ.get("VIRTUAL_ENV")
    candidate = Path(active, "bin", "python") if active else None
    if candidate and candidate.exists() and Path(str(active)).resolve() != Path(sys.prefix).resolve():
        return str(candidate.absolute())
    return sys.executable


def _run(name: str, interpreter: str, *, limit_seconds: float) -> bytes:
    command = [interpreter, str(READER), name, str(OWN_ROOT), ",".join(sorted(RESERVED_MODULES - NOBODY_ELSES))]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what an app prints while it is imported may be anything
            start_new_session=True,
        )
    except OSError as error:
        raise CliError(f"{interpreter} cannot be started: {error.strerror}.") from error
    try:
        answer, _ = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        raise CliError(
            f"The app {name!r} was not imported within {limit_seconds:.0f} s by {interpreter}; "
            "does it wait for a server when it is imported?"
        ) from None
    finally:
        _end(process)
    if len(answer) > LARGEST_ANSWER:
        raise CliError(f"The settings of the app {name!r} are larger than {LARGEST_ANSWER // 1024**2} MiB.")
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with all that the app has started meanwhile."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended by itself, and left nothing
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _sentence(name: str, interpreter: str, *, refusal: _Refusal) -> str:
    if refusal.kind == "no app":
        return f"{name!r} names no Celery app: {refusal.text}. Name it as `celery -A` takes it, or as module:factory."
    if refusal.missing == "celery":
        return f"There is no Celery in {interpreter}; name the app's own interpreter with --python.{_hint()}"
    if refusal.missing == name.split(":")[0].split(".")[0]:
        where = f"for {interpreter} in {Path.cwd()}"
        return f"There is no module {refusal.missing!r} {where}; start it where `celery -A` works.{_hint()}"
    place = f" ({refusal.where})" if refusal.where else ""
    text = f": {refusal.text}" if refusal.text else ""
    hint = f" Name the app's own interpreter with --python.{_hint()}" if refusal.missing else ""
    return f"The app {name!r} cannot be imported by {interpreter}: {refusal.type}{text}{place}.{hint}"


def _hint() -> str:
    """An environment that lies where people put theirs."""
    for folder in (".venv", "venv", "env"):
        interpreter = Path(folder, "bin", "python")
        if interpreter.exists() and Path(folder).resolve() != Path(sys.prefix).resolve():
            return f" Perhaps --python {interpreter}?"
    return ""
