"""Every setting of Celeriac: one `CELERIAC_` environment variable each.

Read once, where a process starts (`api`, `mirror`, `loops`, `cli`); from there values travel as
arguments. Nothing below the doors imports this module. `celeriac settings` prints what stands here.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.retention import Retention

Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Typed settings; a bad value stops the process at start with one sentence."""

    model_config = SettingsConfigDict(env_prefix="CELERIAC_", extra="ignore", frozen=True)

    database_url: str | None = Field(
        None, description="PostgreSQL, e.g. postgresql://user:password@host/db. Embedded by `up` if unset."
    )
    broker_url: str | None = Field(
        None, description="Celery's broker: redis:// or amqp://. Embedded Valkey by `up` if unset."
    )
    result_url: str | None = Field(None, description="Celery's result backend. Default: that of CELERIAC_REDIS_URL.")
    redis_url: str | None = Field(
        None,
        description="Redis for events that wait for the mirror, rate limits, caches and cancel keys. "
        "Default: the broker, where that is Redis.",
    )

    data: Path = Field(Path(".celeriac"), description="Folder of the embedded servers and of `up`.")
    host: str = Field("127.0.0.1", description="Address that the REST API and Flower listen on.")
    port: Port = Field(8000, description="Port of the REST API.")
    flower_port: Port = Field(5555, description="Port of Flower; 0 starts none.")
    workers: Annotated[int, Field(ge=0, le=64)] = Field(1, description="Worker processes that `up` starts.")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="Tasks that each worker runs at once.")
    pool: Literal["prefork", "threads", "solo", "gevent"] = Field("prefork", description="Celery pool of the workers.")
    queues: Names = Field((), description="Queues that our workers consume, comma separated; else the default queue.")
    default_queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")] = Field(
        "celery", description="Queue of a submission that names none."
    )
    adopt_queues: bool = Field(
        False,
        description="Let our workers consume queues that tasks are sent to and nobody consumes. "
        "`up` switches it on where the broker is its own.",
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
        (), repr=False, description="Bearer keys, comma separated; `key:read` may only read. Unset: no authentication."
    )
    metrics_key: Annotated[str, Field(min_length=16, max_length=256, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        None,
        repr=False,
        description="Bearer key that opens /metrics and nothing else, 16 characters or more. Unset: /metrics is open.",
    )
    check_task_names: bool = Field(True, description="Refuse a task name that no worker has reported.")
    keep_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        30, description="Days that completed and cancelled tasks are kept after their end; 0 keeps them for ever."
    )
    keep_failed_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        90, description="Days that failed tasks are kept after their end; 0 keeps them for ever."
    )
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(10, description="Connections in each process.")

    @field_validator("queues", "task_modules", "trusted_proxies", "api_keys", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def retention(self) -> Retention:
        """For how long ended tasks are kept."""
        return Retention(finished=timedelta(days=self.keep_days), failed=timedelta(days=self.keep_failed_days))

    @property
    def effective_redis_url(self) -> str | None:
        """The Redis of our own keys: named, or else the broker where that is Redis."""
        if self.redis_url:
            return self.redis_url
        return self.broker_url if is_redis(self.broker_url) else None

    @property
    def effective_result_url(self) -> str | None:
        """Celery's result backend: named, or else our Redis."""
        return self.result_url or self.effective_redis_url


def is_redis(url: str | None) -> bool:
    """Whether the URL's scheme is one of Redis' (`redis`, `rediss`, `redis+socket`, `valkey`...)."""
    return url is not None and urlsplit(url).scheme.split("+")[0] in {"redis", "rediss", "valkey", "valkeys"}


def urls(settings: Settings) -> tuple[str, str, str]:
    """Database, broker and result backend, for a process that has checked that it has them."""
    found = (settings.database_url, settings.broker_url, settings.effective_result_url)
    database_url, broker_url, result_url = (url or "" for url in found)
    return database_url, broker_url, result_url
