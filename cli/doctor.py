"""What `celeriac doctor` checks. Each check returns findings and raises nothing: a sick server is what it is for."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Literal

import psycopg
import redis
from packaging.requirements import Requirement
from sqlalchemy.exc import DBAPIError

from cli.client import Client
from cli.errors import CliError
from cli.exposure import WAYS_OUT, is_loopback, is_open
from cli.flower_login import USER, password_file, variables_of_flower
from cli.rights import probes_of
from cli.servers import reasons_against
from domain.errors import Unavailable
from domain.redis_keys import COUNTERS_KEY
from domain.server_urls import is_redis, mask_url
from domain.worker_control import PLUGIN_VERSION
from gateway.connection import BROKER_ERRORS, blocking_redis_client, connect
from gateway.results import ResultReader
from services.resident.counters import Counted
from settings import Settings
from store.inspection import ask_server, count_unread
from store.migrate import pending_revisions

OLDEST_PYTHON, FIRST_UNTESTED_PYTHON = (3, 11), (3, 14)
OLDEST_POSTGRES = 15
CONNECT_SECONDS = 3
CLOCK_TOLERANCE_SECONDS = 1.0

OPTIONS_DIFFER = "BROKER_OPTIONS_DIFFER"

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` says what to do about it."""

    subject: str
    verdict: Verdict
    detail: str
    mend: str | None = None


def examine(settings: Settings, *, api_url: str) -> list[Finding]:
    """All findings about a Celeriac, in the order of the report."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions,
        lambda: access(settings),
        lambda: _flower(settings),
        lambda: _database(settings.database_url),
        lambda: _broker(settings.broker_url),
        lambda: _rights(settings),
        lambda: _redis("redis", settings.effective_redis_url),
        lambda: _results(settings.effective_result_url, settings.result_prefix),
        lambda: _unread(settings.database_url),
        lambda: _skipped(settings.effective_redis_url),
        lambda: _api(api_url),
    )
    return [finding for check in checks for finding in check()]


def examine_servers(settings: Settings) -> list[Finding]:
    """Findings about the servers of somebody's app, beside which no Celeriac need run."""
    found = [*_versions(), *_broker(settings.broker_url)]
    if settings.effective_redis_url:
        found += _redis("redis", settings.effective_redis_url)
    if settings.result_url:
        found += _results(settings.result_url, settings.result_prefix)
    return found


def _versions() -> Iterator[Finding]:
    python = sys.version_info[:2]
    tested = OLDEST_PYTHON <= python < FIRST_UNTESTED_PYTHON
    shown = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok" if tested else "fail", shown, None if tested else "Use Python 3.11, 3.12 or 3.13.")
    try:
        pins = {pin.name: pin.specifier for pin in map(Requirement, requires("celeriac") or ())}
    except PackageNotFoundError:
        pins = {}
    for name in ("celery", "kombu"):
        fits = name not in pins or pins[name].contains(version(name))
        mend = None if fits else f"Tested with {name}{pins[name]}; run `make install`."
        yield Finding(name, "ok" if fits else "warn", version(name), mend)


def access(settings: Settings) -> Iterator[Finding]:
    """Who reaches the API without a key."""
    if is_open(settings):
        open_to = f"{settings.host} is open to others and no key is asked for"
        if settings.allow_open:
            yield Finding("access", "warn", f"{open_to}, as CELERIAC_ALLOW_OPEN says", "Set CELERIAC_API_KEYS.")
        else:
            yield Finding("access", "fail", open_to, WAYS_OUT)
    else:
        asks = settings.api_keys or not is_loopback(settings.host)
        reason = "API keys are asked for" if asks else f"only this machine reaches {settings.host}"
        yield Finding("access", "ok", reason)


def _flower(settings: Settings) -> Iterator[Finding]:
    """Who may open it; nothing where none is started, or where nobody has been given a password here."""
    file = password_file(settings.data)
    if settings.flower_basic_auth:
        yield Finding("flower", "ok", "for the logins of CELERIAC_FLOWER_BASIC_AUTH")
    elif settings.flower_port and (told := variables_of_flower()):
        yield Finding("flower", "ok", f"for whom {' and '.join(told)} lets in")
    elif settings.flower_port and file.exists():
        yield Finding("flower", "ok", f"for the user {USER}, whose password is in {file}")


def _database(url: str | None) -> Iterator[Finding]:
    if url is None:
        yield _unset("database", "CELERIAC_DATABASE_URL")
        return
    try:
        asked_at = time.time()
        facts = ask_server(url)
        yield _postgres_version(facts.major_version)
        yield _clock("database clock", facts.now.timestamp(), asked_at=asked_at)
        yield _migrations(pending_revisions(url))
    except (psycopg.Error, DBAPIError) as error:
        yield _unreachable("database", url, error=error)


def _postgres_version(major: int) -> Finding:
    if major >= OLDEST_POSTGRES:
        return Finding("database", "ok", f"PostgreSQL {major}")
    return Finding("database", "fail", f"PostgreSQL {major}", f"Use PostgreSQL {OLDEST_POSTGRES} or newer.")


def _migrations(pending: list[str]) -> Finding:
    if not pending:
        return Finding("migrations", "ok", "none pending")
    return Finding("migrations", "fail", f"pending: {', '.join(pending)}", "Run `celeriac migrate`.")


def _broker(url: str | None) -> Iterator[Finding]:
    if url is None:
        yield _unset("broker", "CELERIAC_BROKER_URL")
        return
    try:
        with connect(url) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
            yield Finding("broker", "ok", connection.transport.driver_name)
    except (*BROKER_ERRORS, ValueError, KeyError) as error:
        yield _unreachable("broker", url, error=error)


def _rights(settings: Settings) -> Iterator[Finding]:
    """Only what is missing, or refused; whether a server is there is said by its own line."""
    for name, url in (
        ("broker_url", settings.broker_url),
        ("result_url", settings.effective_result_url),
        ("redis_url", settings.effective_redis_url),
    ):
        if url is None:
            continue
        for reason in reasons_against(url, probes_of(name, settings)):
            if reason.startswith("rights"):
                yield Finding(name.removesuffix("_url"), "fail", f"{mask_url(url)}: {reason}", "Grant them.")


def _results(url: str | None, prefix: str) -> Iterator[Finding]:
    if url is None or is_redis(url):
        yield from _redis("results", url)
    else:
        yield asyncio.run(_other_results(url, prefix))


async def _other_results(url: str, prefix: str) -> Finding:
    reader = ResultReader(url, prefix=prefix)
    try:
        if reader.blind:
            mend = "Nothing need be done; statuses, errors and texts of results come from events (`celery worker -E`)."
            return Finding("results", "warn", reader.blind, mend)
        await reader.ping()
        return Finding("results", "ok", "reachable")
    except Unavailable as error:
        return _unreachable("results", url, error=error)
    finally:
        await reader.close()


def _unread(database_url: str | None) -> Iterator[Finding]:
    """Results that workers have stored in forms that are not read; nothing where that cannot be asked."""
    try:
        found = count_unread(database_url) if database_url else {}
    except psycopg.Error:
        return  # said above, or a schema that is to be migrated
    if found:
        told = "; ".join(f"the result {reason} ({count} times)" for reason, count in found.items())
        mend = "Let the application store JSON: result_serializer = 'json'. Meanwhile `result_repr` says what was told."
        yield Finding("unread results", "warn", told, mend)


def _skipped(redis_url: str | None) -> Iterator[Finding]:
    """What the mirror was sent and could not take; nothing where that cannot be asked."""
    try:
        with blocking_redis_client(redis_url or "") as client:
            count = int(client.hget(COUNTERS_KEY, Counted.EVENTS_REFUSED) or 0)
    except (redis.RedisError, ValueError):
        return
    if count:
        mend = "The mirror's log lines `events_not_understood` say why."
        yield Finding("events", "warn", f"{count} were none of Celery's or could not be stored, and are missing", mend)


def _redis(subject: str, url: str | None) -> Iterator[Finding]:
    if url is None:
        yield _unset(subject, "CELERIAC_REDIS_URL")
        return
    try:
        with blocking_redis_client(url) as client:
            asked_at = time.time()
            seconds, microseconds = client.time()
            yield _eviction(subject, client)
            yield _clock(f"{subject} clock", seconds + microseconds / 1e6, asked_at=asked_at)
    except (redis.RedisError, OSError, ValueError) as error:
        yield _unreachable(subject, url, error=error)


def _eviction(subject: str, client: redis.Redis) -> Finding:
    policy = client.info("memory").get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return Finding(subject, "ok", "reachable")
    mend = "Set maxmemory-policy noeviction: an evicted key can be a lost task or result."
    return Finding(subject, "warn", f"maxmemory-policy is {policy}", mend)


def _clock(subject: str, theirs: float, *, asked_at: float) -> Finding:
    """Their clock was read at some moment of the round trip: the difference is counted from its nearest end."""
    difference = max(asked_at - theirs, theirs - time.time(), 0.0)
    if difference <= CLOCK_TOLERANCE_SECONDS:
        return Finding(subject, "ok", "agrees with ours")
    return Finding(subject, "warn", f"{difference:.1f} s apart from ours", "Let both machines keep time with NTP.")


def _api(url: str) -> Iterator[Finding]:
    try:
        with Client(url) as client:
            yield _health(client.health())
            workers = client.workers()
            differing = client.alerts(OPTIONS_DIFFER)
    except CliError as error:
        yield Finding("api", "fail", str(error), "Start it with `celeriac up` or `celeriac api`.")
        return
    if not workers:
        yield Finding("workers", "warn", "none seen", "Start one with `celeriac worker`.")
    yield from map(_worker, workers)
    for alert in differing:
        what, _, mend = str(alert.get("description")).rpartition(". ")
        yield Finding("broker options", "fail", what, f"{mend}.")


def _health(health: dict[str, object]) -> Finding:
    checks = health.get("checks")
    unwell = [name for name, verdict in checks.items() if verdict != "healthy"] if isinstance(checks, dict) else []
    if health.get("status") == "healthy":
        return Finding("api", "ok", "healthy")
    return Finding("api", "warn", f"{health.get('status')}: {', '.join(unwell)}", "See the lines of these servers.")


def _worker(worker: dict[str, object]) -> Finding:
    subject = f"worker {worker.get('hostname')}"
    if worker.get("status") == "OFFLINE":
        return Finding(subject, "warn", "OFFLINE", "Start it again, or forget it with DELETE /api/v1/workers/{id}.")
    if worker.get("events") == "off":
        how = "Start it with -E, or set worker_send_task_events in its app."
        return Finding(subject, "warn", f"{worker.get('status')}, sends no events of its tasks", how)
    if plugin := worker.get("plugin"):
        differs = f"This Celeriac brings {PLUGIN_VERSION}: `celeriac workers show` says what holds."
        is_ours = plugin == PLUGIN_VERSION
        return Finding(
            subject,
            "ok" if is_ours else "warn",
            f"{worker.get('status')}, plugin {plugin}",
            None if is_ours else differs,
        )
    return Finding(subject, "warn", f"{worker.get('status')}, no plugin", "Install celeriac_worker on its host.")


def _unset(subject: str, variable: str) -> Finding:
    return Finding(subject, "fail", f"{variable} is not set", "Set it, or name the --data folder of a running `up`.")


def _unreachable(subject: str, url: str, *, error: Exception) -> Finding:
    if reason := next(reasons_against(url), None):
        return Finding(subject, "fail", f"{mask_url(url)}: {reason}", "Mend the URL, or what the server lets us do.")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Finding(subject, "fail", f"{mask_url(url)}: {reason}", "Is the server running, and the URL right?")
