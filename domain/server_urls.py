"""What a URL says of the broker, the result backend or a Redis: where it is, who we are there, and how it is proven.

The forms are Celery's: `rediss://` with `ssl_...` in the query, `redis+socket:///path?virtual_host=1`, and
`sentinel://host;sentinel://host/0`, whose master's name Celery keeps in the transport options. Here it becomes part of
the URL (`master_name`, `sentinel_kwargs` as JSON), so that one text names one server wherever it is passed on. No
message of an error holds a part of the URL.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

MASK = "***"
SENTINEL = "sentinel"
SENTINEL_PORT = 26379
SENTINEL_OPTIONS = ("master_name", "sentinel_kwargs", "min_other_sentinels")
"""Names of Celery's transport options, and of the URL's query, that say how a master is found."""
REDIS_KINDS = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+socket": "unix",
    "valkey+socket": "unix",
    "socket": "unix",
    "unix": "unix",
    SENTINEL: SENTINEL,
}
AMQP_KINDS = {"amqp": "amqp", "amqps": "amqps", "pyamqp": "amqp"}
NEXT_URL = re.compile(r";(?=[a-z0-9+.-]+://)")
"""The place where one of several URLs ends. A password may hold a `;` as well."""
_SECRET = re.compile(r"(?i)pass|secret|token|credential|(^|_)key$")
_SECRET_IN_QUERY = re.compile(r"(?i)([^&?=]*(?:password|secret|token|key)|sentinel_kwargs)=[^&]*")
_CHECKS = {name: ("none", "optional", "required")[int(name)] for name in "012"} | {
    name: name for name in ("none", "optional", "required")
}
"""The checks in whatever words: Celery's names are `CERT_REQUIRED`, and Python's own writes itself as a number."""
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
NOT_ENCODED = "is not a URL: a password with / : @ # % ? must be percent-encoded"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """One server, or the sentinels that know it. Not printed: it holds the password."""

    kind: str
    """`redis`, `rediss`, `unix`, `sentinel`, `amqp`, `amqps`, or the scheme as it stands."""
    hosts: tuple[tuple[str, int | None], ...]
    path: str = ""
    """Database or virtual host; of a unix socket the path of its file."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def db(self) -> int:
        """Return the number of the database of a Redis. Raises ValueError."""
        named = self.query.get("virtual_host", self.query.get("db", "0")) if self.kind == "unix" else self.path
        try:
            return int(named.strip("/") or 0)
        except ValueError:
            raise ValueError("names a database that is no number") from None

    @property
    def tls(self) -> dict[str, str] | None:
        """Return the `ssl_...` settings if it is spoken to by TLS. Certificates are checked unless `ssl_cert_reqs`
        forbids.
        """
        given = {name: value for name, value in self.query.items() if name.startswith("ssl_")}
        if not given and self.kind not in ("rediss", "amqps"):
            return None
        needs = _CHECKS.get(given.get("ssl_cert_reqs", "required").rpartition(".")[2].removeprefix("CERT_").lower())
        if needs is None:
            raise ValueError("names an ssl_cert_reqs that is none of CERT_REQUIRED, CERT_OPTIONAL and CERT_NONE")
        return given | {"ssl_cert_reqs": needs}

    @property
    def master_name(self) -> str:
        """Raises ValueError where it is not said."""
        if not self.query.get("master_name"):
            raise ValueError("names sentinels and no master: add ?master_name=... to it, or to its transport options")
        return self.query["master_name"]

    @property
    def sentinel_kwargs(self) -> dict[str, Any]:
        """How the sentinels themselves are spoken to: `password`, `username`, `ssl` ... Raises ValueError."""
        try:
            kwargs = json.loads(self.query.get("sentinel_kwargs") or "{}")
        except ValueError:
            kwargs = None
        if not isinstance(kwargs, dict):
            raise ValueError("has a sentinel_kwargs that is no JSON object")
        return kwargs

    def sentinel_kwargs_within(self, seconds: float) -> dict[str, Any]:
        """Return the settings of sentinels with a limit: a frozen one must not hold up the question to the next."""
        return {"socket_timeout": seconds, "socket_connect_timeout": seconds} | self.sentinel_kwargs

    @property
    def min_other_sentinels(self) -> int:
        """How many other sentinels one must know for its word to count."""
        try:
            return int(self.query.get("min_other_sentinels", 0))
        except ValueError:
            raise ValueError("has a min_other_sentinels that is no number") from None


def read_url(url: str) -> ServerUrl:
    """Read a URL in Celery's form; the first sentinel gives user, password and database. Raises ValueError."""
    first, *others = NEXT_URL.split(url)
    try:
        parts = urlsplit(first)
        hosts = tuple(_host_of(each) for each in (first, *others))
    except ValueError:
        raise ValueError(NOT_ENCODED) from None
    kind = kind_of(first)
    query = {name: value for each in (*reversed(others), first) for name, value in parse_qsl(urlsplit(each).query)}
    return ServerUrl(
        kind=kind,
        hosts=hosts,
        path=unquote(parts.path if kind == "unix" else parts.path.removeprefix("/")),
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        query=query,
    )


def refuse_incomplete(url: str) -> None:
    """Raises ValueError, without any part of the URL, for one that says too little to find its server.

    Asked once its master's name stands in it; of what kind it may be is asked before, by `domain.url_kinds`.
    """
    if not (is_redis(url) or is_amqp(url)):
        return
    server = read_url(url)
    _ = server.tls
    if is_redis(url):
        _ = server.db
        if server.kind == "unix" and not server.path:
            raise ValueError("names no path of a socket: redis+socket:///run/redis.sock?virtual_host=0")
    if server.kind == SENTINEL:
        _ = server.master_name, server.sentinel_kwargs, server.min_other_sentinels


def kind_of(url: str) -> str:
    """Return the kind of server that a URL names, as `ServerUrl.kind` does."""
    scheme = url.partition("://")[0].lower() if "://" in url else urlsplit(url).scheme
    kinds = REDIS_KINDS | AMQP_KINDS
    return kinds.get(scheme) or kinds.get(scheme.split("+")[0]) or scheme


def is_redis(url: str | None) -> bool:
    """Whether the server of this URL speaks Redis' protocol."""
    return url is not None and kind_of(url) in REDIS_KINDS.values()


def is_amqp(url: str) -> bool:
    """Whether it is a RabbitMQ."""
    return kind_of(url) in AMQP_KINDS.values()


def with_sentinel_options(url: str, options: Mapping[str, Any]) -> str:
    """The URL with what Celery's transport options say of its master; any other URL as it is."""
    if kind_of(url) != SENTINEL:
        return url
    server = read_url(url)
    said = {name: options[name] for name in SENTINEL_OPTIONS if name in options and name not in server.query}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in said.items()}
    first, *others = NEXT_URL.split(url)
    *others, last = (first, *others)
    return ";".join((*others, last + ("&" if "?" in last else "?") + urlencode(texts) if texts else last))


def beside_broker(
    url: str, options: Mapping[str, Any], *, broker_url: str | None, broker_options: Mapping[str, Any]
) -> str:
    """Do as `with_sentinel_options`, and take what is said of the broker where the same sentinels know it."""
    shared = broker_url is not None and kind_of(url) == kind_of(broker_url) == SENTINEL
    if shared and read_url(url).hosts == read_url(str(broker_url)).hosts:
        options = {**broker_options, **options}
    return with_sentinel_options(url, options)


def kombu_url(url: str) -> str:
    """The URL as kombu and Celery know it, without its query; each sentinel with the user and the database of all."""
    server = read_url(url)
    if server.kind == "unix":
        query = {"virtual_host": str(server.db)}
        return f"redis+socket://{_user_of(server)}{quote(server.path)}?{urlencode(query)}"
    if not (is_redis(url) or is_amqp(url)):
        return url
    path = f"/{quote(server.path, safe='')}" if server.path or server.kind != "amqp" else ""
    return ";".join(
        f"{server.kind}://{_user_of(server)}{_bracketed(host)}{f':{port}' if port else ''}{path}"
        for host, port in server.hosts
    )


def kombu_sentinel_options(url: str, seconds: float) -> dict[str, Any]:
    """kombu's transport options for a master that sentinels know, each of which has so long; else nothing."""
    server = read_url(url)
    if server.kind != SENTINEL:
        return {}
    return {
        "master_name": server.master_name,
        "min_other_sentinels": server.min_other_sentinels,
        "sentinel_kwargs": server.sentinel_kwargs_within(seconds),
        # Workers before kombu 5.4 listen where nobody has filled in the database; those that know both listen once.
        "sentinel_fanout_compat": True,
    }


def kombu_tls(url: str) -> dict[str, Any] | None:
    """kombu's `ssl`, if the URL says more of TLS than that. RabbitMQ's client has names of its own for all of it."""
    server = read_url(url)
    if server.tls is None or (is_amqp(url) and not any(name.startswith("ssl_") for name in server.query)):
        return None
    needs = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
    options: dict[str, Any] = server.tls | {"ssl_cert_reqs": needs[server.tls["ssl_cert_reqs"]]}
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() != "false"
    if is_redis(url):
        return options
    checks_name = options.pop("ssl_check_hostname", True) and options["ssl_cert_reqs"] is ssl.CERT_REQUIRED
    named = {name.removeprefix("ssl_"): value for name, value in options.items()}
    return named | ({"server_hostname": server.hosts[0][0]} if checks_name else {})


def mask_url(url: str) -> str:
    """The URL without its password, and without what a query may hide. Also for what is not quite a URL."""
    return ";".join(_mask_one(each) for each in NEXT_URL.split(url))


def mask_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Transport options that may be shown: no value by a name like `password`, however deep it stands."""
    return {name: _mask_value(name, value) for name, value in options.items()}


def _mask_value(name: str, value: Any) -> Any:
    if _SECRET.search(name) and value is not None:
        return MASK
    if isinstance(value, Mapping):
        return mask_options(value)
    return [_mask_value("", item) for item in value] if isinstance(value, list | tuple) else value


def _mask_one(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    # The query first: an @ in it ends no user. A password that nobody has encoded may hold anything, an @ too.
    head, question, query = rest.partition("?")
    rest = head + question + _SECRET_IN_QUERY.sub(rf"\1={MASK}", query)
    user, at, place = rest.rpartition("@")
    if at and ":" in user:
        rest = f"{user.partition(':')[0]}:{MASK}@{place}"
    return f"{scheme}://{rest}"


def _host_of(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return unquote(parts.hostname or ""), parts.port


def _user_of(server: ServerUrl) -> str:
    if server.username is None and server.password is None:
        return ""
    password = "" if server.password is None else f":{quote(server.password, safe='')}"
    return f"{quote(server.username or '', safe='')}{password}@"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
