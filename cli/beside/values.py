"""Makes the settings that Celeriac runs with of what an app says; what somebody has set for Celeriac itself wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cli.beside.app import AppFacts
from cli.configuration import read_settings, variable
from cli.errors import CliError
from domain.broker_options import STOCK_PRIORITY_STEPS
from domain.priority import Transport
from domain.queue_names import flaw_of
from domain.server_urls import mask_url
from domain.url_kinds import refuse_wrong_kind
from gateway.connection import transport_of
from gateway.results.reader import ResultReader
from settings import Settings

SECURE = {"redis": "rediss", "valkey": "valkeys", "amqp": "amqps", "pyamqp": "amqps"}
NO_BACKEND = {None, "", "disabled", "disabled://"}
SERIALIZERS = {
    "json": {"json", "application/json"},
    "pickle": {"pickle", "application/x-python-serialize"},
    "yaml": {"yaml", "application/x-yaml"},
}
"""Serializers of submissions, the preferred first, with the names that `accept_content` may call them by."""
USUAL = {"event_exchange": "celeryev", "control_exchange": "celery", "event_serializer": "json"}


@dataclass(frozen=True, slots=True)
class Beside:
    """A Celeriac beside an app: the settings it runs with, and what a person should know of how they came about."""

    settings: Settings
    results: str
    """The backend that results are read from, masked, or why none are."""
    notes: tuple[str, ...]


def beside(facts: AppFacts, **options: object) -> Beside:
    """Take settings from the environment and the options, and from the app what neither says. Raises CliError."""
    given = read_settings(**options)
    chosen = given.model_fields_set
    notes: list[str] = []
    broker_url = _one(with_tls(facts.broker_url, facts.dictionaries.get("broker_use_ssl")), "broker", notes=notes)
    result_url, results = _results(facts, notes)
    values = {
        "broker_url": broker_url,
        "result_url": result_url,
        "default_queue": _default_queue(facts, notes),
        "broker_transport_options": _broker_options(facts, given.broker_url or broker_url),
        "result_transport_options": facts.dictionary("result_backend_transport_options") or None,
        "task_serializer": _serializer(facts, notes),
        # Ours run our own tasks, and Flower asks workers in ways that some apps' settings break: only where wanted.
        "workers": 0,
        "flower_port": 0,
    }
    from_app = {name: value for name, value in values.items() if value is not None and name not in chosen}
    settings = read_settings(**{**options, **from_app})
    notes += _overridden(settings, values, chosen=chosen)
    notes += _unusual(facts)
    if "result_url" in chosen:
        results = mask_url(settings.result_url or "")
    return Beside(settings, results, tuple(notes))


def with_tls(url: str, use_ssl: Mapping[str, Any] | bool | None) -> str:
    """Return the URL with what `broker_use_ssl` says in it: the scheme, and files in the query, as Celery
    reads them."""
    parts = urlsplit(url)
    if not use_ssl:
        return url
    given = use_ssl if isinstance(use_ssl, Mapping) else {}
    named = {name if name.startswith("ssl_") else f"ssl_{name}": str(value) for name, value in given.items() if value}
    query = dict(parse_qsl(parts.query)) | named
    parts = parts._replace(scheme=SECURE.get(parts.scheme, parts.scheme), query=urlencode(query, safe="/"))
    return urlunsplit(parts)


def _one(url: str, what: str, *, notes: list[str]) -> str:
    """The first of several; all of those that name sentinels, which are one address."""
    if ";" not in url or url.startswith("sentinel"):
        return url
    notes.append(f"Of the {url.count(';') + 1} addresses of the {what} the first is used.")
    return url.split(";")[0]


def _results(facts: AppFacts, notes: list[str]) -> tuple[str | None, str]:
    """Return the URL where our readers know it, be it to say why they read nothing, and in any case what is
    to be said."""
    backend = facts.result_backend
    if backend in NO_BACKEND or backend is None:
        return None, "none: events tell how tasks end"
    url = _one(with_tls(backend, facts.dictionaries.get("redis_backend_use_ssl")), "result backend", notes=notes)
    masked_url = mask_url(url) if "@" in url or "?" in url else url
    reader = _reader(url)
    if reader is not None and reader.blind is None:
        return url, masked_url
    return url if reader else None, f"{masked_url} cannot be read here: events tell how tasks end"


def _reader(url: str) -> ResultReader | None:
    """Return the reader; None for a backend that our settings do not take, such as one of the app's own making."""
    try:
        refuse_wrong_kind("result_url", url)
        return ResultReader(url)
    except Exception:  # whatever a backend's library raises, it says that there is no reading it
        return None


def _default_queue(facts: AppFacts, notes: list[str]) -> str | None:
    name = str(facts.options.get("task_default_queue") or "celery")
    flaw = flaw_of(name)
    if flaw is None:
        return name
    notes.append(f"The app's default queue cannot be submitted to: its name {flaw}.")
    return None


def _broker_options(facts: AppFacts, broker_url: str) -> dict[str, Any] | None:
    """The app's own; where it names no priority steps, its workers read kombu's four, which is worth knowing.

    Raises CliError for a broker that we do not speak to.
    """
    options = facts.dictionary("broker_transport_options")
    try:
        transport = transport_of(broker_url)
    except ValueError as error:
        raise CliError(f"{error} The app's broker is {mask_url(broker_url)}.") from None
    if transport is Transport.REDIS:
        options = {"priority_steps": list(STOCK_PRIORITY_STEPS)} | options
    return options or None


def _serializer(facts: AppFacts, notes: list[str]) -> str | None:
    """The one in which the app's workers take submissions: JSON wherever they do."""
    accepted = set(map(str, facts.options.get("accept_content") or ["json"]))
    serializer = next((name for name, names in SERIALIZERS.items() if names & accepted), None)
    if serializer is None:
        names_shown = ", ".join(sorted(accepted))
        notes.append(
            f"The app accepts {names_shown} only and throws submissions from here away: add 'json' to accept_content."
        )
    elif serializer != "json":
        notes.append(f"Submissions are sent as {serializer}: the app's accept_content has no json.")
    return serializer


def _overridden(settings: Settings, values: Mapping[str, object], *, chosen: set[str]) -> list[str]:
    """A broker that is not the app's is worth a line: somebody may have forgotten a variable."""
    names = [name for name in ("broker_url", "result_url") if name in chosen and values[name] is not None]
    return [
        f"{variable(name)} stands in for the app's own." for name in names if getattr(settings, name) != values[name]
    ]


def _unusual(facts: AppFacts) -> list[str]:
    """What the app has otherwise than Celery's defaults and nothing here can follow."""
    notes = []
    if facts.left_out:
        notes.append(f"Code cannot be carried over: {', '.join(facts.left_out)}.")
    for option, usual in USUAL.items():
        value = facts.options.get(option)
        if value not in (None, usual):
            notes.append(f"{option} is {value!r}, and not {usual!r}: what goes that way is not heard here.")
    return notes
