import pytest
from celeriac_worker.keys import redis_url, run_key

OURS, BROKER, RABBIT = "redis://:secret@ours:6379/2", "redis://broker:6379/0", "amqp://guest@rabbit:5672//"


@pytest.mark.parametrize(
    ("variable", "broker_url", "expected"),
    [
        (OURS, BROKER, OURS),
        (OURS, RABBIT, OURS),
        ("", BROKER, BROKER),
        (None, BROKER, BROKER),
        (None, "rediss://broker:6380/1?ssl_cert_reqs=none", "rediss://broker:6380/1?ssl_cert_reqs=none"),
        (None, "valkey://broker:6379/0", "valkey://broker:6379/0"),
        ("valkeys://ours:6379/2", RABBIT, "valkeys://ours:6379/2"),
        (None, RABBIT, None),
        (None, "memory://", None),
        (None, None, None),
        (None, "redis+socket:///tmp/broker.sock", "redis+socket:///tmp/broker.sock"),
        (None, "sentinel://one;sentinel://two/0", "sentinel://one;sentinel://two/0"),
        (None, "redis+socket://", None),
        ("http://ours", BROKER, BROKER),
    ],
)
def test_redis_is_what_the_variable_names_else_the_broker(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, broker_url: str | None, expected: str | None
) -> None:
    monkeypatch.delenv("CELERIAC_REDIS_URL", raising=False)
    if variable is not None:
        monkeypatch.setenv("CELERIAC_REDIS_URL", variable)
    assert redis_url(broker_url) == expected


def test_a_start_is_named_by_task_retry_and_dispatch() -> None:
    assert run_key("a/b", 2, dispatch_no=3) == "celeriac:run:a/b:2:3"
