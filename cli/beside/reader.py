"""Tells what a Celery app is configured with, as one JSON document on stdout; run by path, in the app's interpreter.

Standard library and Celery only, 4.4 to 5.7, and Python 3.7 upwards: nothing of ours is imported, because the app's own
modules may have the names of ours. What the app prints goes to stderr. `cli/beside/app.py` starts it and reads it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from enum import Enum
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

FORMAT = 1
OPTIONS = (
    "task_default_queue",
    "task_serializer",
    "accept_content",
    "task_default_priority",
    "task_acks_late",
    "task_ignore_result",
    "result_serializer",
    "result_compression",
    "result_extended",
    "event_serializer",
    "event_exchange",
    "event_queue_prefix",
    "control_exchange",
    "worker_send_task_events",
    "worker_enable_remote_control",
    "timezone",
    "enable_utc",
)
DICTIONARIES = (
    "broker_transport_options",
    "result_backend_transport_options",
    "broker_use_ssl",
    "redis_backend_use_ssl",
)
TELLING = ("ImportError", "AttributeError", "SyntaxError", "ImproperlyConfigured", "KeyError")
"""Errors whose text says what is missing. That of any other may hold whatever the app was doing, passwords too."""
LONGEST_TEXT = 300


class NoApp(Exception):
    """What `-A` names is there, and is no Celery app."""


def main(arguments: list[str]) -> None:
    """Print what is told of the app as JSON on stdout, or why it cannot be told."""
    name, own_root, rooms = arguments
    answer = _keep_stdout()
    _look_where_celery_does(Path(own_root), rooms.split(","))
    try:
        document = read(name)
    except NoApp as error:
        document = {"error": {"kind": "no app", "text": str(error)}}
    except BaseException as error:  # an app may also call sys.exit
        document = {"error": _described(error)}
    with os.fdopen(answer, "wb") as stdout:
        stdout.write(json.dumps(document).encode())
    # Threads that the app has started would keep the process.
    os._exit(0)


def read(name: str) -> dict[str, Any]:
    """Return all that is told of the app. Raises NoApp, and whatever the app raises when it is imported or
    configured."""
    import celery  # noqa: PLC0415  the app's own, which is found only after the path is set
    import kombu  # noqa: PLC0415

    app, is_made = find(name)
    left_out: list[str] = []
    conf = app.conf
    return {
        "format": FORMAT,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "celery": celery.VERSION_BANNER.split(" ")[0],
        "kombu": kombu.__version__,  # type: ignore[attr-defined]  # celery-types has no kombu
        "name": app.main,
        "broker_url": _broker_url(app),
        "result_backend": _result_backend(conf),
        "options": {option: _plain(getattr(conf, option, None), option, left_out=left_out) for option in OPTIONS},
        "dictionaries": {
            option: _plain(getattr(conf, option, None), option, left_out=left_out) for option in DICTIONARIES
        },
        "queues": [_queue(queue) for queue in app.amqp.queues.values()],
        "plugin": _plugin(),
        "plugin_installed": any(step.__module__.startswith("celeriac_worker") for step in app.steps["worker"]),
        "is_made": is_made,
        "left_out": left_out,
    }


def find(name: str) -> tuple[Any, bool]:
    """Return the app that `celery -A` would take; or what a factory makes, and True. Raises NoApp."""
    from celery import Celery  # noqa: PLC0415
    from celery.app.utils import find_app  # noqa: PLC0415

    try:
        found = find_app(name[:-2] if name.endswith("()") else name)
    except AttributeError as error:
        if not _is_about(error):
            raise
        raise NoApp(_mask(str(error))) from error
    except ModuleNotFoundError as error:
        if ":" not in name or error.name != name:
            raise
        module, _, attribute = name.partition(":")
        raise NoApp(f"module {module!r} has no attribute {attribute!r}") from error
    if isinstance(found, Celery):
        return found, False
    if callable(found) and not isinstance(found, type) and not hasattr(found, "extensions"):
        found = found()
    found = getattr(found, "extensions", {}).get("celery", found)  # where Flask's own documents keep it
    if not isinstance(found, Celery):
        raise NoApp(f"it is of the type {type(found).__name__}")
    return found, True


def _is_about(error: AttributeError) -> bool:
    """Whether the attribute is missing where Celery looked for the app, and not somewhere in the app's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    return os.sep + "celery" + os.sep in frames[-1].filename or frames[-1].name in ("symbol_by_name", "find")


def _keep_stdout() -> int:
    """A copy of stdout for the answer; whatever else is printed goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _look_where_celery_does(own_root: Path, rooms: list[str]) -> None:
    """The current folder first, as `celery -A` has it, and never our own packages under the names of the app's."""
    if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
        del sys.path[0]
    sys.path.insert(0, str(Path.cwd()))
    sys.meta_path.insert(0, _WithoutOurs(own_root, rooms))


class _WithoutOurs:
    """Finds modules as they would be found, but no package of ours: `tasks` is the app's, or nobody's."""

    def __init__(self, own_root: Path, rooms: list[str]) -> None:
        self._own = {Path(os.path.realpath(str(own_root / room))) for room in rooms}
        self._rooms = set(rooms)

    def find_spec(self, name: str, path: Any = None, target: Any = None, /) -> Any:
        if path is not None or name not in self._rooms:
            return None
        for finder in sys.meta_path:
            found = None if finder is self else finder.find_spec(name, path, target)
            if found is not None and not self._is_ours(found.origin):
                return found
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def _is_ours(self, origin: str | None) -> bool:
        place = Path(os.path.realpath(origin or ""))
        return place.with_suffix("") in self._own or place.parent in self._own


def _broker_url(app: Any) -> str:
    """Return the URL as it was written, several joined by `;` as Celery joins them; else made of its parts."""
    written = app.conf.broker_read_url or app.conf.broker_url
    if isinstance(written, (list, tuple)):
        written = ";".join(str(url) for url in written)
    if written and "://" in str(written):
        return str(written)
    with app.connection_for_read() as connection:
        return str(connection.as_uri(include_password=True))


def _result_backend(conf: Any) -> str | None:
    """Return the backend as it was written; Redis' of its parts, which are settings of their own."""
    written = conf.result_backend
    if not written or not isinstance(written, str):
        return str(written) if written else None
    if written == "redis":
        secret = getattr(conf, "redis_password", None)
        account = f":{quote(str(secret), safe='')}@" if secret else ""
        host, port, db = (getattr(conf, "redis_" + part, None) for part in ("host", "port", "db"))
        return f"redis://{account}{host or 'localhost'}:{port or 6379}/{db or 0}"
    return str(written)


def _queue(queue: Any) -> dict[str, Any]:
    exchange = queue.exchange
    return {
        "name": str(queue.name),
        "exchange": str(exchange.name if exchange else ""),
        "type": str(exchange.type if exchange else "direct"),
    }


def _plugin() -> str | None:
    """Return the plugin's version, where a worker of this interpreter could have it."""
    try:
        return str(importlib.import_module("celeriac_worker.version").__version__)
    except Exception:  # none, or one that this Celery cannot load: either way there is none
        return None


def _plain(value: Any, name: str, *, left_out: list[str]) -> Any:
    """What JSON can say; of the rest only the name is told."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Enum):  # ssl.CERT_REQUIRED
        return value.name
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, dict):
        plain = {str(key): _plain(each, f"{name}.{key}", left_out=left_out) for key, each in value.items()}
        return {key: each for key, each in plain.items() if each is not _LEFT_OUT}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        parts = [_plain(each, name, left_out=left_out) for each in value]
        return [each for each in parts if each is not _LEFT_OUT]
    if hasattr(value, "zone") or hasattr(value, "key") or name == "timezone":
        return str(value)
    left_out.append(name)
    return None if "." not in name else _LEFT_OUT


_LEFT_OUT = object()


def _described(error: BaseException) -> dict[str, str]:
    """The error's type, where it arose, and its text where that may be shown."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    text = _mask(str(error)) if any(kind in TELLING for kind in kinds) else ""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return {
        "kind": "import",
        "type": type(error).__name__,
        "text": text,
        "where": _where(error),
        "missing": missing or "",
    }


def _where(error: BaseException) -> str:
    """The last place in the app's own files."""
    installed = (os.sep + "site-packages" + os.sep, os.sep + "lib" + os.sep + "python", "<frozen")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not any(part in frame.filename for part in installed)
    ]
    return f"{os.path.relpath(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _mask(text: str) -> str:
    """One line, without what stands before the @ of a URL, and without the values of variables that sound secret."""
    text = re.sub(r"://[^\s]*@", "://***@", " ".join(text.split()))
    for name, value in os.environ.items():
        if len(value) > 3 and re.search("(?i)pass|secret|token|key|url|dsn", name):
            text = text.replace(value, "***")
    return text[:LONGEST_TEXT]


if __name__ == "__main__":
    main(sys.argv[1:])
