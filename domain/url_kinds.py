"""Which kinds of servers each of our URLs may name. Asked before anything starts; no message holds a part of a URL.

A broker, a Redis and a database must be of a kind that we speak to. A result backend may be any that Celery has: where
its results are not read, what events tell is enough, and `unread_reason` says so.
"""

import re
from urllib.parse import urlsplit

from domain.server_urls import AMQP_KINDS, NEXT_URL, NOT_ENCODED, REDIS_KINDS

REDIS = frozenset(scheme.split("+")[0] for scheme in REDIS_KINDS)
AMQP = frozenset(AMQP_KINDS)
POSTGRES = frozenset({"postgresql", "postgres"})
SQL = frozenset({"db", "database", "django-db"})
"""SQL result backends: `db+postgresql://...` is Celery's, `django-db+postgresql://...` a Django application's."""
DJANGO_DB = "django-db"
OTHER_RESULTS = frozenset(
    {
        *("rpc", "cache", "mongodb", "elasticsearch", "cassandra", "couchbase", "couchdb", "cosmosdbsql", "riak"),
        *("file", "disabled", "consul", "dynamodb", "azureblockblob", "arangodb", "s3", "gs", "memory", "django-cache"),
    }
)
NAMES_WITHOUT_ADDRESS = frozenset({"rpc", "django-db", "django-cache", "disabled", "cache", "consul"})
"""What Celery takes for a result backend as it stands, without `://`."""
_NAMED = {
    "database_url": (POSTGRES, "postgresql://"),
    "broker_url": (REDIS | AMQP, "redis:// or amqp://"),
    "redis_url": (REDIS, "redis://"),
    "result_url": (REDIS | SQL | OTHER_RESULTS, "redis://, db+postgresql:// or another result backend of Celery's"),
}
_SCHEME = re.compile(r"[a-z][a-z0-9.-]*(\+[a-z0-9+.-]+)?", re.IGNORECASE)


def refuse_wrong_kind(setting: str, url: str) -> None:
    """Raises ValueError, to stand behind the setting's name, for a URL that is none, or of a kind not usable there.

    Whether it says enough to find the server is a later question: `domain.server_urls.refuse_incomplete`.
    """
    kinds, wanted = _NAMED[setting]
    if "://" not in url and setting == "result_url" and url.lower() in NAMES_WITHOUT_ADDRESS:
        return
    for each in NEXT_URL.split(url):
        scheme, separator, _ = each.partition("://")
        if not separator or not _SCHEME.fullmatch(scheme):
            raise ValueError(f"is not a URL; it must begin with {wanted}")
        if scheme_of(each) not in kinds:
            raise ValueError(f"is of the kind {scheme}://, which cannot be used here; it must begin with {wanted}")
        _check_address(each)


def scheme_of(url: str) -> str:
    """`db` of `db+sqlite:///x`, `redis` of `redis://h`."""
    return url.partition("://")[0].lower().split("+")[0]


def unread_reason(result_url: str) -> str | None:
    """Why nothing is read from this result backend, as a sentence; None where it may be read."""
    kind = scheme_of(result_url)
    if "://" not in result_url and kind in SQL | {"django-cache"}:
        return (
            f"Results of {kind} lie in the application's own database, which CELERIAC_RESULT_URL does not name "
            "(django-db+postgresql://...); what events tell is shown."
        )
    if kind in {"rpc", "disabled", "memory", "mongodb", "couchbase", "cassandra", "riak"}:
        return f"Results of the backend {kind} are not read; what events tell is shown."
    return None


def _check_address(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(NOT_ENCODED) from None
