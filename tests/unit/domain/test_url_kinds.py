"""What a URL may name is known before anything starts, and no sentence repeats a part of it."""

import pytest

from domain.url_kinds import refuse_wrong_kind, unread_reason
from tests.raised import raised_by

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("broker_url", "redis://h/0"),
        ("broker_url", "valkeys://:p%2Fw@h:6380/11"),
        ("broker_url", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("broker_url", "sentinel://a:26379;sentinel://b:26379/0"),
        ("broker_url", "pyamqp://guest@localhost//"),
        ("redis_url", "rediss://h"),
        ("database_url", "postgresql://u:p@h/db"),
        ("database_url", "postgresql+psycopg://h/db"),
        ("database_url", "postgres:///db?host=/run"),
        ("result_url", "redis://h/1"),
        ("result_url", "db+sqlite:///results.sqlite"),
        ("result_url", "django-db+postgresql://h/db"),
        ("result_url", "cache+memcached://127.0.0.1:11211/"),
        ("result_url", "rpc://"),
        ("result_url", "django-db"),
        ("result_url", "rpc"),
    ],
)
def test_what_can_be_used_is_taken(setting: str, url: str) -> None:
    assert raised_by(refuse_wrong_kind, setting, url) is None


@pytest.mark.parametrize(
    ("setting", "url", "flaw"),
    [
        ("broker_url", "s3cret", "is not a URL"),
        ("broker_url", "sqs://s3cret@", "cannot be used here; it must begin with redis:// or amqp://"),
        ("broker_url", "redis://:p/s3cret@h", "must be percent-encoded"),
        ("broker_url", "sentinel://a;mysql://s3cret", "cannot be used here"),
        ("broker_url", "", "is not a URL"),
        ("redis_url", "amqp://s3cret@h", "cannot be used here"),
        ("database_url", "mysql://s3cret@h/db", "must begin with postgresql://"),
        ("database_url", "postgresql://h:s3cret/db", "must be percent-encoded"),
        ("result_url", "mysql://s3cret@h/db", "cannot be used here"),
        ("result_url", "s3cret", "is not a URL"),
        ("result_url", "db+postgresql://h:s3cret/db", "must be percent-encoded"),
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_it(setting: str, url: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw) as raised:
        refuse_wrong_kind(setting, url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", ["rpc://", "django-db", "django-cache", "mongodb://h", "disabled://"])
def test_of_what_is_not_read_a_sentence_says_that_events_are_enough(url: str) -> None:
    assert (unread_reason(url) or "").endswith("what events tell is shown.")


@pytest.mark.parametrize("url", ["redis://h", "db+sqlite:///x", "django-db+postgresql://h/db", "file:///results"])
def test_of_what_may_be_read_there_is_no_such_sentence(url: str) -> None:
    assert unread_reason(url) is None
