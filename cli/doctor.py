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

from cli.addresses import Addresses
from cli.client import Client
from cli.database import with_engine
from cli.encryption import COUNT_SECONDS, COUNTED, count_left
from cli.errors import CliError
from cli.exposure import WAYS_OUT, asks_for_key, is_loopback
from cli.flower_login import USER, password_file, told_to_flower
from cli.rights import probes_of
from cli.servers import reasons_against
from domain.errors import IssuerUnavailable, Unavailable
from domain.redis_keys import COUNTERS_KEY
from domain.sentences import plural
from domain.server_urls import is_redis, mask_url
from domain.workers.control import PLUGIN_VERSION
from gateway.connection import BROKER_ERRORS, blocking_redis_client, connect
from gateway.oidc import IssuerServer
from gateway.results.reader import ResultReader
from services.resident.counters import CounterName
from settings import Settings
from store.inspection import ask_server, count_unread
from store.migrate import pending_revisions

OLDEST_PYTHON, FIRST_UNTESTED_PYTHON = (3, 11), (3, 14)
OLDEST_POSTGRES = 15
CONNECT_SECONDS = 3
CLOCK_TOLERANCE_SECONDS = 1.0

OPTIONS_DIFFER = "BROKER_OPTIONS_DIFFER"

Headline = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report; `mend` says what to do about it."""

    subject: str
    verdict: Headline
    detail: str
    mend: str | None = None


def examine(settings: Settings, *, api_url: str, running: Addresses | None = None) -> list[CheckResult]:
    """Return all findings about a Celeriac, in the order of the report."""
    checks: tuple[Callable[[], Iterator[CheckResult]], ...] = (
        _versions,
        lambda: access(settings, running),
        lambda: flower_access(settings),
        lambda: issuer_answers(settings),
        lambda: _database(settings.database_url),
        lambda: _broker(settings.broker_url),
        lambda: _rights(settings),
        lambda: _redis("redis", settings.effective_redis_url),
        lambda: _results(settings.effective_result_url, settings.result_prefix),
        lambda: _unread(settings.database_url),
        lambda: encrypted_at_rest(settings),
        lambda: _skipped(settings.effective_redis_url),
        lambda: _api(api_url),
    )
    return [finding for check in checks for finding in check()]


def examine_servers(settings: Settings) -> list[CheckResult]:
    """Return findings about the servers of somebody's app, beside which no Celeriac need run."""
    results = [*_versions(), *_broker(settings.broker_url)]
    if settings.effective_redis_url:
        results += _redis("redis", settings.effective_redis_url)
    if settings.result_url:
        results += _results(settings.result_url, settings.result_prefix)
    return results


def _versions() -> Iterator[CheckResult]:
    python = sys.version_info[:2]
    tested = OLDEST_PYTHON <= python < FIRST_UNTESTED_PYTHON
    release = ".".join(map(str, sys.version_info[:3]))
    yield CheckResult(
        "python", "ok" if tested else "fail", release, None if tested else "Use Python 3.11, 3.12 or 3.13."
    )
    try:
        pins = {pin.name: pin.specifier for pin in map(Requirement, requires("celeriac") or ())}
    except PackageNotFoundError:
        pins = {}
    for name in ("celery", "kombu"):
        fits = name not in pins or pins[name].contains(version(name))
        mend = None if fits else f"Tested with {name}{pins[name]}; run `make install`."
        yield CheckResult(name, "ok" if fits else "warn", version(name), mend)


def access(settings: Settings, running: Addresses | None = None) -> Iterator[CheckResult]:
    """Who reaches the API of the running `up` without a key, or that which these settings would start."""
    host, asks, is_meant = settings.host, asks_for_key(settings), settings.allow_open
    if running and running.host:
        host, asks, is_meant = running.host, running.asks_for_key or _has_key(running), True
    said = f"{host} is open to others and no key is asked for"
    if asks:
        yield CheckResult("access", "ok", "API keys are asked for")
    elif is_loopback(host):
        yield CheckResult("access", "ok", f"only this machine reaches {host}")
    elif is_meant:
        yield CheckResult("access", "warn", f"{said}, as CELERIAC_ALLOW_OPEN says", "Set CELERIAC_API_KEYS.")
    else:
        yield CheckResult("access", "fail", said, WAYS_OUT)


def _has_key(running: Addresses) -> bool:
    """Tell whether a key was made in the database of the running `up`."""
    return asks_for_key(Settings(database_url=running.database_url, api_keys=()))


def flower_access(settings: Settings) -> Iterator[CheckResult]:
    """Who may open Flower; nothing where none is started, or where nobody has been given a password here."""
    file = password_file(settings.data)
    if settings.flower_basic_auth:
        yield CheckResult("flower", "ok", "for the logins of CELERIAC_FLOWER_BASIC_AUTH")
    elif settings.flower_port and (told := told_to_flower()):
        yield CheckResult("flower", "ok", f"for whom {' and '.join(told)} lets in")
    elif settings.flower_port and file.exists():
        yield CheckResult("flower", "ok", f"for the user {USER}, whose password is in {file}")


def issuer_answers(settings: Settings) -> Iterator[CheckResult]:
    """Whether the issuer of tokens answers, within 5 s for each question; nothing where none is named."""
    if settings.oidc_issuer is not None:
        yield asyncio.run(_ask_issuer(settings.oidc_issuer))


async def _ask_issuer(url: str) -> CheckResult:
    server = IssuerServer(url)
    try:
        keys = await server.fetch_keys(await server.discover())
        return CheckResult("issuer", "ok", f"answers, with {plural(len(keys), 'key')}")
    except IssuerUnavailable as error:
        mend = "Is it running, and CELERIAC_OIDC_ISSUER exactly what it calls itself?"
        return CheckResult("issuer", "fail", f"{url}: {error.detail}", mend)
    finally:
        await server.close()


def _database(url: str | None) -> Iterator[CheckResult]:
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


def _postgres_version(major: int) -> CheckResult:
    if major >= OLDEST_POSTGRES:
        return CheckResult("database", "ok", f"PostgreSQL {major}")
    return CheckResult("database", "fail", f"PostgreSQL {major}", f"Use PostgreSQL {OLDEST_POSTGRES} or newer.")


def _migrations(pending: list[str]) -> CheckResult:
    if not pending:
        return CheckResult("migrations", "ok", "none pending")
    return CheckResult("migrations", "fail", f"pending: {', '.join(pending)}", "Run `celeriac migrate`.")


def _broker(url: str | None) -> Iterator[CheckResult]:
    if url is None:
        yield _unset("broker", "CELERIAC_BROKER_URL")
        return
    try:
        with connect(url) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
            yield CheckResult("broker", "ok", connection.transport.driver_name)
    except (*BROKER_ERRORS, ValueError, KeyError) as error:
        yield _unreachable("broker", url, error=error)


def _rights(settings: Settings) -> Iterator[CheckResult]:
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
                yield CheckResult(name.removesuffix("_url"), "fail", f"{mask_url(url)}: {reason}", "Grant them.")


def _results(url: str | None, prefix: str) -> Iterator[CheckResult]:
    if url is None or is_redis(url):
        yield from _redis("results", url)
    else:
        yield asyncio.run(_other_results(url, prefix))


async def _other_results(url: str, prefix: str) -> CheckResult:
    reader = ResultReader(url, prefix=prefix)
    try:
        if reader.blind:
            mend = "Nothing need be done; statuses, errors and texts of results come from events (`celery worker -E`)."
            return CheckResult("results", "warn", reader.blind, mend)
        await reader.ping()
        return CheckResult("results", "ok", "reachable")
    except Unavailable as error:
        return _unreachable("results", url, error=error)
    finally:
        await reader.close()


def _unread(database_url: str | None) -> Iterator[CheckResult]:
    """Results that workers have stored in forms that are not read; nothing where that cannot be asked."""
    try:
        counts = count_unread(database_url) if database_url else {}
    except psycopg.Error:
        return  # said above, or a schema that is to be migrated
    if counts:
        summary = "; ".join(f"the result {reason} ({plural(count, 'time')})" for reason, count in counts.items())
        mend = "Let the application store JSON: result_serializer = 'json'. Meanwhile `result_repr` says what was told."
        yield CheckResult("unread results", "warn", summary, mend)


def encrypted_at_rest(settings: Settings) -> Iterator[CheckResult]:
    """What the current key has not encrypted; nothing where there is none, or where that cannot be asked."""
    if not settings.encryption_keys or settings.database_url is None:
        return
    try:
        counts = asyncio.run(with_engine(lambda engine, _: count_left(engine), settings, name="celeriac doctor"))
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.QueryCanceled):
            detail = f"not counted within {COUNT_SECONDS:.0f} s"
            yield CheckResult("encryption", "warn", detail, "`celeriac encrypt` says whether any are left.")
        return  # else said above, or a schema that is to be migrated
    if left := sum(counts.values()):
        rows = plural(left, "row is", many="rows are", is_exact=left < COUNTED)
        detail = f"{rows} stored plainly or under an older key"
        yield CheckResult("encryption", "warn", detail, "Run `celeriac encrypt`.")
    else:
        yield CheckResult("encryption", "ok", "all is encrypted with the current key")


def _skipped(redis_url: str | None) -> Iterator[CheckResult]:
    """What the mirror was sent and could not take; nothing where that cannot be asked."""
    try:
        with blocking_redis_client(redis_url or "") as client:
            count = int(client.hget(COUNTERS_KEY, CounterName.EVENTS_REFUSED) or 0)
    except (redis.RedisError, ValueError):
        return
    if count:
        mend = "The mirror's log lines `events_not_understood` say why."
        yield CheckResult(
            "events", "warn", f"{count} were none of Celery's or could not be stored, and are missing", mend
        )


def _redis(subject: str, url: str | None) -> Iterator[CheckResult]:
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


def _eviction(subject: str, client: redis.Redis) -> CheckResult:
    policy = client.info("memory").get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return CheckResult(subject, "ok", "reachable")
    mend = "Set maxmemory-policy noeviction: an evicted key can be a lost task or result."
    return CheckResult(subject, "warn", f"maxmemory-policy is {policy}", mend)


def _clock(subject: str, theirs: float, *, asked_at: float) -> CheckResult:
    """Compare clocks; theirs was read at some moment of the round trip: the difference counts from its nearest end."""
    difference = max(asked_at - theirs, theirs - time.time(), 0.0)
    if difference <= CLOCK_TOLERANCE_SECONDS:
        return CheckResult(subject, "ok", "agrees with ours")
    return CheckResult(subject, "warn", f"{difference:.1f} s apart from ours", "Let both machines keep time with NTP.")


def _api(url: str) -> Iterator[CheckResult]:
    try:
        with Client(url) as client:
            yield _health(client.health())
            workers = client.workers()
            differing = client.alerts(OPTIONS_DIFFER)
    except CliError as error:
        yield CheckResult("api", "fail", str(error), "Start it with `celeriac up` or `celeriac api`.")
        return
    if not workers:
        yield CheckResult("workers", "warn", "none seen", "Start one with `celeriac worker`.")
    yield from map(_worker, workers)
    yield from map(_differing, differing)


def _health(health: dict[str, object]) -> CheckResult:
    checks = health.get("checks")
    unwell = [name for name, verdict in checks.items() if verdict != "healthy"] if isinstance(checks, dict) else []
    if health.get("status") == "healthy":
        return CheckResult("api", "ok", "healthy")
    return CheckResult("api", "warn", f"{health.get('status')}: {', '.join(unwell)}", "See the lines of these servers.")


def _worker(worker: dict[str, object]) -> CheckResult:
    subject = f"worker {worker.get('hostname')}"
    if worker.get("status") == "OFFLINE":
        return CheckResult(subject, "warn", "OFFLINE", "Start it again, or forget it with DELETE /api/v1/workers/{id}.")
    if worker.get("events") == "off":
        how = "Start it with -E, or set worker_send_task_events in its app."
        return CheckResult(subject, "warn", f"{worker.get('status')}, sends no events of its tasks", how)
    if plugin := worker.get("plugin"):
        differs = f"This Celeriac brings {PLUGIN_VERSION}: `celeriac workers show` says what holds."
        is_ours = plugin == PLUGIN_VERSION
        return CheckResult(
            subject,
            "ok" if is_ours else "warn",
            f"{worker.get('status')}, plugin {plugin}",
            None if is_ours else differs,
        )
    return CheckResult(subject, "warn", f"{worker.get('status')}, no plugin", "Install celeriac_worker on its host.")


def _differing(alert: dict[str, object]) -> CheckResult:
    """The last sentence of such an alert says what to do, where it has more than one."""
    description = str(alert.get("description"))
    what, _, mend = description.rpartition(". ")
    return CheckResult("broker options", "fail", what or description, f"{mend}." if what else None)


def _unset(subject: str, variable: str) -> CheckResult:
    return CheckResult(
        subject, "fail", f"{variable} is not set", "Set it, or name the --data folder of a running `up`."
    )


def _unreachable(subject: str, url: str, *, error: Exception) -> CheckResult:
    if reason := next(reasons_against(url), None):
        return CheckResult(
            subject, "fail", f"{mask_url(url)}: {reason}", "Mend the URL, or what the server lets us do."
        )
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CheckResult(subject, "fail", f"{mask_url(url)}: {reason}", "Is the server running, and the URL right?")
