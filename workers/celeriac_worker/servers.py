"""How the plugin reaches a Redis: by TCP, TLS, a unix socket, or through the sentinels that know its master.

A URL may say all of it: `rediss://...?ssl_ca_certs=...`, `redis+socket:///path?virtual_host=1`, and
`sentinel://host;sentinel://host/0?master_name=...&sentinel_kwargs=<JSON>`. What an app's own settings say of its broker
beside the URL is put into it by `broker_address`.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_SECONDS = 1.0
SENTINEL_PORT = 26379
KINDS = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+socket": "unix",
    "valkey+socket": "unix",
    "socket": "unix",
    "unix": "unix",
    "sentinel": "sentinel",
}
NEXT_URL = re.compile(r";(?=[a-z0-9+.-]+://)")
SENTINEL_OPTIONS = ("master_name", "sentinel_kwargs", "min_other_sentinels")
_CHECKS = {ssl.CERT_NONE: "none", ssl.CERT_OPTIONAL: "optional", ssl.CERT_REQUIRED: "required"}
_FLAGS = ("ssl_check_hostname",)

_Sentinel: Any = redis.sentinel.Sentinel


def kind_of(url: str) -> str | None:
    """Return how the Redis of this URL is reached; None where it is none, or has no address."""
    first = NEXT_URL.split(url)[0]
    kind = KINDS.get(first.partition("://")[0])
    parts = urlsplit(first)
    return kind if (parts.path if kind == "unix" else parts.hostname) else None


def broker_address(conf: Any, url: Any) -> str | None:
    """Return a broker's URL of this app, with what its settings say beside it of sentinels and TLS."""
    if isinstance(url, (list, tuple)):
        url = ";".join(url) if url and str(url[0]).startswith("sentinel") else next(iter(url), None)
    if not url or kind_of(url) is None:
        return None
    options: Mapping[str, Any] = conf.broker_transport_options or {}
    said = {name: _text(options[name]) for name in SENTINEL_OPTIONS if options.get(name)}
    said = said if kind_of(url) == "sentinel" else {}
    if isinstance(conf.broker_use_ssl, Mapping):
        said |= {
            name: _CHECKS.get(value, str(value)) if name == "ssl_cert_reqs" else str(value)
            for name, value in conf.broker_use_ssl.items()
            if name.startswith("ssl_") and value is not None
        }
        url = "rediss" + url.removeprefix("redis") if kind_of(url) == "redis" and said else url
    return str(url) + (("&" if "?" in url else "?") + urlencode(said) if said else "")


def connect(url: str) -> redis.Redis:
    """Return a client that gives up after `ANSWER_SECONDS`; it connects at its first use.

    Raises ValueError where no master is named.
    """
    chunks = NEXT_URL.split(url)
    parts = urlsplit(chunks[0])
    query = {name: value for chunk in chunks for name, value in parse_qsl(urlsplit(chunk).query)}
    kind = kind_of(url)
    options: dict[str, Any] = {
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "db": int((query.get("virtual_host", query.get("db", "0")) if kind == "unix" else parts.path).strip("/") or 0),
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        # Once more at once: a connection that lay idle may have been closed. Never after a timeout.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    } | _protocol()
    if kind == "unix":
        return redis.Redis(unix_socket_path=unquote(parts.path), **options)
    options |= _tls(kind, query)
    if kind != "sentinel":
        return redis.Redis(host=unquote(parts.hostname or ""), port=parts.port or 6379, **options)
    if not query.get("master_name"):
        raise ValueError("The sentinels' URL names no master: add ?master_name=... to it.")
    limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    sentinels = _Sentinel(
        [(unquote(urlsplit(chunk).hostname or ""), urlsplit(chunk).port or SENTINEL_PORT) for chunk in chunks],
        min_other_sentinels=int(query.get("min_other_sentinels", 0)),
        sentinel_kwargs=limits | json.loads(query.get("sentinel_kwargs") or "{}"),
        **options,
    )
    master: redis.Redis = sentinels.master_for(query["master_name"])
    return master


def _tls(kind: str | None, query: Mapping[str, str]) -> dict[str, Any]:
    """redis-py's names are Celery's; the words for what is checked are its own."""
    given: dict[str, Any] = {name: value for name, value in query.items() if name.startswith("ssl_")}
    if not given and kind != "rediss":
        return {}
    given["ssl_cert_reqs"] = str(given.get("ssl_cert_reqs", "required")).removeprefix("CERT_").lower()
    return {"ssl": True} | {name: value != "false" if name in _FLAGS else value for name, value in given.items()}


def _protocol() -> dict[str, Any]:
    """Redis' second protocol, which 8.0 does not begin with any more, and which 4.x had no name for."""
    return {"protocol": 2} if int(redis.__version__.split(".", 1)[0]) >= 5 else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
