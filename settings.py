"""Every setting of Celeriac: one `CELERIAC_` environment variable each.

Read once, where a process starts (`api`, `mirror`, `loops`, `cli`); from there values travel as
arguments. Nothing below the doors imports this module. `celeriac settings` prints what stands here.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.at_rest import AtRestKeys, parse_keys
from domain.audit import REASON_SCOPES
from domain.broker_options import BrokerOptions
from domain.networks import check_proxies
from domain.oidc import OidcRules, checked_issuer, checked_public_url, rules_of
from domain.origins import ANY, own_origins
from domain.queue_names import check_queue_name
from domain.reach import parse_allowed
from domain.redaction.rules import Redaction, check_names, parse_places
from domain.retention import Retention
from domain.scopes import Scope
from domain.secrets import READ_ONLY_SUFFIX, check_api_keys, check_logins, check_secret, is_placeholder
from domain.server_urls import beside_broker, is_redis, refuse_incomplete
from domain.shares import MOST_SHARES
from domain.url_kinds import refuse_wrong_kind
from domain.webhooks.endpoints import Egress

LOOPBACK = "127.0.0.1"
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], NoDecode]
# An empty one would be taken for a server that is named: `CELERIAC_BROKER_URL=$UNSET`.
Url = Annotated[str, Field(min_length=1)]

TransportOptions = Annotated[dict[str, Any], NoDecode]
Visible = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$")]
MAX_OPTIONS = 65_536
"""Characters of JSON in an option."""


def _checked_queue_name(value: str) -> str:
    check_queue_name(value)
    return value


QueueName = Annotated[str, AfterValidator(_checked_queue_name)]


class Settings(BaseSettings):
    """Typed settings; a bad value stops the process at start with one sentence."""

    model_config = SettingsConfigDict(env_prefix="CELERIAC_", extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: Url | None = Field(
        None, repr=False, description="PostgreSQL, e.g. postgresql://user:password@host/db. Embedded by `up` if unset."
    )
    broker_url: Url | None = Field(
        None,
        repr=False,
        description="Celery's broker: redis://, rediss://, redis+socket://, sentinel:// or amqp(s)://. "
        "Embedded Valkey by `up` if unset.",
    )
    result_url: Url | None = Field(
        None,
        repr=False,
        description="Celery's result backend: redis://, db+postgresql://, django-db+postgresql:// (the database of a "
        "Django application) or another of Celery's. Default: that of CELERIAC_REDIS_URL.",
    )
    broker_transport_options: TransportOptions = Field(
        {},
        repr=False,
        description="Your app's broker_transport_options, as a JSON object: sep, priority_steps, global_keyprefix, "
        "unacked_key and others, for workers that do not run on Celery's defaults.",
    )
    result_transport_options: TransportOptions = Field(
        {},
        repr=False,
        description="Your app's result_backend_transport_options, as a JSON object: global_keyprefix and others.",
    )
    redis_url: Url | None = Field(
        None,
        repr=False,
        description="Redis for events that wait for the mirror, rate limits, caches and cancel keys. "
        "Default: the broker, where that is Redis.",
    )

    data: Path = Field(Path(".celeriac"), description="Folder of the embedded servers and of `up`.")
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:%-]+$")] = Field(
        LOOPBACK, description="Address that the REST API and Flower listen on; needs API keys if not loopback."
    )
    port: Port = Field(8000, description="Port of the REST API.")
    flower_port: Port = Field(5555, description="Port of Flower; 0 starts none.")
    workers: Annotated[int, Field(ge=0, le=64)] = Field(1, description="Worker processes that `up` starts.")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="Tasks that each worker runs at once.")
    pool: Literal["prefork", "threads", "solo", "gevent"] = Field("prefork", description="Celery pool of the workers.")
    queues: Annotated[tuple[QueueName, ...], NoDecode] = Field(
        (),
        description="Queues that our workers consume, comma separated (so none with a comma in its name); else the "
        "default queue.",
    )
    default_queue: QueueName = Field("celery", description="Queue of a submission that names none.")
    task_serializer: Literal["json", "pickle", "yaml"] = Field(
        "json",
        description="How submissions are written, and on RabbitMQ questions to workers, for an app whose "
        "accept_content has no json.",
    )
    adopt_queues: bool = Field(
        False,
        description="Let our workers consume queues that tasks are sent to and nobody consumes. "
        "Unless this says false, `up` switches it on where the broker is its own.",
    )
    task_modules: Names = Field((), description="Python modules with your own tasks, comma separated.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="Log lines as JSON or for people.")
    rate_limit_per_minute: Annotated[int, Field(ge=0)] = Field(
        1000, description="Requests a minute for each client IP; 0 switches the limit off."
    )
    trusted_proxies: Names = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For is believed, comma separated."
    )
    api_keys: Names = Field(
        (),
        repr=False,
        description="Bearer keys, comma separated; `key:read` may only read. "
        "Unset: none is needed until `celeriac keys create --admin` has made one.",
    )
    metrics_key: Annotated[str, Field(min_length=16, max_length=256, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        None,
        repr=False,
        description="Bearer key that opens /metrics and nothing else, 16 characters or more. Unset: /metrics is open "
        "on loopback, and needs one of the API keys elsewhere.",
    )
    oidc_issuer: Annotated[str, AfterValidator(checked_issuer)] | None = Field(
        None,
        description="OpenID Connect issuer whose tokens let in, e.g. https://login.example.com/realms/ops. Its tokens "
        "are needed from then on, or API keys.",
    )
    oidc_audience: Visible | None = Field(
        None, description="The `aud` of tokens that programs send as bearer. Unset: none is accepted."
    )
    oidc_client_id: Visible | None = Field(
        None, description="As what people are signed in at the issuer. Unset: nobody is."
    )
    oidc_client_secret: Visible | None = Field(
        None, repr=False, description="Secret of this client. Unset: it is a public client, which PKCE protects."
    )
    oidc_claim: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        "groups", description="The claim of a token that says what somebody is: a name, or /realm_access/roles."
    )
    oidc_scopes: TransportOptions = Field(
        {},
        description="What each value of this claim may do, as a JSON object: "
        '{"viewers": ["read"], "operators": ["read", "submit", "operate"]}. Compared exactly.',
    )
    public_url: Annotated[str, AfterValidator(checked_public_url)] | None = Field(
        None,
        description="How browsers reach the API, e.g. https://celeriac.example.com, where a proxy stands before it: "
        "where an issuer sends them back to, and whether cookies are for https alone.",
    )
    allow_open: bool = Field(
        False, description="Listen on an address that is not loopback without API keys: all who reach it may do all."
    )
    allowed_hosts: Names = Field(
        (),
        description="Names, comma separated, under which browsers and programs may ask (`Host`), beside localhost, "
        "CELERIAC_HOST and every IP address: `celeriac.example.com`, `*.example.com`, or `*` for any.",
    )
    flower_basic_auth: Names = Field(
        (), repr=False, description="Who may open Flower, as user:password, comma separated. Made by `up` if unset."
    )
    resend_unproven: bool = Field(
        False,
        description="Send a task once more that vanished without proof that the broker lost it; it may run twice. "
        "Off: it stays PENDING and says why.",
    )
    enable_events: bool = Field(
        True, description="Tell workers that send no events of their tasks to send them, once each, as Flower does."
    )
    check_task_names: bool = Field(True, description="Refuse a task name that no worker has reported.")
    keep_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        30, description="Days that completed and cancelled tasks are kept after their end; 0 keeps them for ever."
    )
    keep_failed_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        90, description="Days that failed tasks are kept after their end; 0 keeps them for ever."
    )
    forget_workers_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        7, description="Days after which a worker that gives no sign of life is forgotten; 0 keeps it for ever."
    )
    feed_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        72, description="Hours that the feed of changes is kept, which `GET /events` reads; it goes by whole days."
    )
    webhook_allow_http: bool = Field(
        False, description="Let webhooks go to http:// as well: for receivers on this machine, and tests."
    )
    webhook_allow_networks: Names = Field(
        (),
        description="Networks, comma separated, that webhooks and notifications may reach beside public addresses: "
        "private ones such as 10.1.0.0/16. Loopback and others that nobody outside can mean open only by a network "
        "within them.",
    )
    webhook_proxy: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]+$", max_length=512)] | None = Field(
        None,
        repr=False,
        description="Proxy that webhooks go through, e.g. http://egress:3128; it answers for what it reaches. "
        "Proxies of the environment are not used.",
    )
    redact: Names = Field(
        (),
        description="Places of arguments and results that are hidden on every way out, beside those under secret "
        "names: `shop.charge:/kwargs/pan`, comma separated. `*` stands for any segment, or ends the name of a task.",
    )
    redact_names: Names = Field(
        (),
        description="More names whose values are hidden, comma separated; `-page_token` shows one that is secret "
        "by its last words.",
    )
    redact_common_names: bool = Field(
        True, description="Hide the values of common secret names: password, token, api_key and others."
    )
    audit_key: Names = Field(
        (),
        repr=False,
        description="Key that the seals over the audit are made with, 16 characters or more; behind a comma those of "
        "before, which still verify. Unset: seals are a chain without proof. Made by `up` if it embeds PostgreSQL.",
    )
    audit_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        400, description="Days that the audit is kept after it was sealed; 0 keeps it for ever."
    )
    require_reason: Annotated[tuple[Scope, ...], NoDecode] = Field(
        (),
        description="Scopes, comma separated, whose writes need the header X-Celeriac-Reason: operate, admin.",
    )
    encryption_keys: Names = Field(
        (),
        repr=False,
        description="Keys that arguments and results are encrypted with in PostgreSQL, comma separated: "
        "`2:<base64 of 32 bytes>,1:...`. The first encrypts, all decrypt. Unset: nothing is encrypted there.",
    )
    event_shares: Annotated[int, Field(ge=1, le=MOST_SHARES)] = Field(
        8,
        description="Shares that tasks fall into, which the mirrors deal out among themselves. More mirrors than "
        "shares bring no more speed; one mirror alone does not deal. Lowering it takes effect only once "
        "`celeriac:mirrors:shares` is deleted.",
    )
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(10, description="Connections in each process.")

    @field_validator(
        "queues",
        "task_modules",
        "trusted_proxies",
        "api_keys",
        "allowed_hosts",
        "flower_basic_auth",
        "webhook_allow_networks",
        "redact",
        "redact_names",
        "audit_key",
        "encryption_keys",
        "require_reason",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        parts = tuple(part.strip() for part in value.split(",") if part.strip())
        if not parts and info.field_name == "api_keys":
            raise ValueError("is set and holds no key; name one, or unset it to need none")
        return parts

    @field_validator("broker_transport_options", "result_transport_options", "oidc_scopes", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            read = json.loads(value or "{}") if len(value) <= MAX_OPTIONS else None
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise ValueError('must be a JSON object, such as {"global_keyprefix": "shop:"}')
        return read

    @field_validator("broker_transport_options", "result_transport_options")
    @classmethod
    def _refuse_wrong_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        BrokerOptions.from_transport_options(options)
        return options

    @field_validator("api_keys")
    @classmethod
    def _refuse_weak_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        check_api_keys(keys)
        return keys

    @field_validator("audit_key")
    @classmethod
    def _refuse_weak_audit_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for number, key in enumerate(keys, start=1):
            check_secret(key, what=f"key {number}")
        return keys

    @field_validator("encryption_keys")
    @classmethod
    def _refuse_what_is_no_key(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        parse_keys(entries)
        return entries

    @field_validator("require_reason")
    @classmethod
    def _refuse_scopes_without_reasons(cls, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if not set(scopes) <= set(REASON_SCOPES):
            raise ValueError(f"may only name {' and '.join(REASON_SCOPES)}")
        return scopes

    @field_validator("flower_basic_auth")
    @classmethod
    def _refuse_weak_logins(cls, logins: tuple[str, ...]) -> tuple[str, ...]:
        check_logins(logins)
        return logins

    @field_validator("trusted_proxies")
    @classmethod
    def _refuse_strangers_as_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        check_proxies(proxies)
        return proxies

    @field_validator("webhook_allow_networks")
    @classmethod
    def _refuse_what_is_no_network(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        parse_allowed(entries)
        return entries

    @field_validator("redact")
    @classmethod
    def _refuse_wrong_places(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        parse_places(rules)
        return rules

    @field_validator("redact_names")
    @classmethod
    def _refuse_wrong_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_names(names)
        return names

    @field_validator("allowed_hosts")
    @classmethod
    def _refuse_what_is_no_host(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        own_origins(LOOPBACK, hosts)
        return hosts

    @field_validator("database_url", "broker_url", "result_url", "redis_url")
    @classmethod
    def _refuse_password_of_the_example(cls, url: str | None) -> str | None:
        if url and is_placeholder(_password_of(url)):
            raise ValueError("its password is still that of the example")
        return url

    @field_validator("database_url", "broker_url", "result_url", "redis_url")
    @classmethod
    def _refuse_kinds_that_nobody_speaks(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.field_name is not None:
            refuse_wrong_kind(info.field_name, url)
        return url

    @model_validator(mode="after")
    def _name_masters(self) -> Self:
        """What transport options say of a master stands in the URL from here on: whoever has it finds the server."""
        for name, own in (
            ("broker_url", self.broker_transport_options),
            ("result_url", self.result_transport_options),
            ("redis_url", {}),
        ):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._with_master(name, own))  # frozen for all others
        return self

    def _with_master(self, name: str, own: dict[str, Any]) -> str:
        given, broker = getattr(self, name), (self.broker_url, self.broker_transport_options)
        try:
            url = beside_broker(given, own, broker_url=broker[0], broker_options=broker[1])
            refuse_incomplete(url)
        except ValueError as error:
            raise ValueError(f"CELERIAC_{name.upper()} {error}") from None
        return url

    @model_validator(mode="after")
    def _refuse_any_host_without_keys(self) -> Self:
        """Refuse it: without keys a page under a name of its own could do everything; with them it gets nowhere."""
        if ANY in self.allowed_hosts and not self.asks_everybody:
            raise ValueError("CELERIAC_ALLOWED_HOSTS: * needs CELERIAC_API_KEYS; without keys, list the names")
        return self

    @model_validator(mode="after")
    def _refuse_half_an_issuer(self) -> Self:
        """Refuse it: whoever names one half believes that people can sign in."""
        _ = self.oidc
        return self

    @property
    def oidc(self) -> OidcRules | None:
        """Return whose tokens let in; None where nobody's do."""
        return rules_of(
            self.oidc_issuer,
            self.oidc_audience,
            client_id=self.oidc_client_id,
            claim=self.oidc_claim,
            scopes=self.oidc_scopes,
        )

    @property
    def asks_everybody(self) -> bool:
        """Tell whether these settings alone have everybody show a key or a token."""
        return bool(self.api_keys or self.oidc_issuer)

    @property
    def has_full_key(self) -> bool:
        """Tell whether somebody may do everything whom no row lets in: one of `api_keys`, or of the issuer's people."""
        has_key = not all(key.endswith(READ_ONLY_SUFFIX) for key in self.api_keys)
        return has_key or (self.oidc is not None and self.oidc.rules_everybody)

    @property
    def broker_options(self) -> BrokerOptions:
        """Return where messages lie on the broker, as far as that is said."""
        return BrokerOptions.from_transport_options(self.broker_transport_options)

    @property
    def result_prefix(self) -> str:
        """Return what stands before every key of the result backend."""
        return BrokerOptions.from_transport_options(self.result_transport_options).global_keyprefix

    @property
    def retention(self) -> Retention:
        """Return for how long ended tasks are kept."""
        return Retention(finished=timedelta(days=self.keep_days), failed=timedelta(days=self.keep_failed_days))

    @property
    def redaction(self) -> Redaction:
        """Return what is hidden on every way out."""
        return Redaction(parse_places(self.redact), names=self.redact_names, common_names=self.redact_common_names)

    @property
    def webhook_egress(self) -> Egress:
        """Return where webhooks may go beyond https to public addresses."""
        return Egress(self.webhook_allow_http, parse_allowed(self.webhook_allow_networks))

    @property
    def audit_keys(self) -> tuple[bytes, ...]:
        """Return the keys of the seals; the first makes them."""
        return tuple(key.encode() for key in self.audit_key)

    @property
    def at_rest_keys(self) -> AtRestKeys | None:
        """Return the keys that arguments and results are encrypted with in PostgreSQL; None if there are none."""
        return parse_keys(self.encryption_keys)

    @property
    def audit_kept_for(self) -> timedelta | None:
        """Return for how long audit rows are kept; None for ever."""
        return timedelta(days=self.audit_days) if self.audit_days else None

    @property
    def workers_kept_for(self) -> timedelta | None:
        """Return for how long a silent worker is kept; None for ever."""
        return timedelta(days=self.forget_workers_days) if self.forget_workers_days else None

    @property
    def effective_redis_url(self) -> str | None:
        """Return the Redis of our own keys: named, or else the broker where that is Redis."""
        if self.redis_url:
            return self.redis_url
        return self.broker_url if is_redis(self.broker_url) else None

    @property
    def effective_result_url(self) -> str | None:
        """Return Celery's result backend: named, or else our Redis."""
        return self.result_url or self.effective_redis_url


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""  # what is wrong with it is said by those who read it


def urls(settings: Settings) -> tuple[str, str, str]:
    """Return database, broker and result backend, for a process that has checked that it has them."""
    all_urls = (settings.database_url, settings.broker_url, settings.effective_result_url)
    database_url, broker_url, result_url = (url or "" for url in all_urls)
    return database_url, broker_url, result_url
