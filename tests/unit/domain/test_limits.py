from dataclasses import replace

import pytest

from domain.broker_options import BrokerOptions
from domain.consumers import MAX_RETRIES, Consumer, Consumers
from domain.limits import explain_limits, retries_base

Q = frozenset({"q"})
OURS = Consumer("ours", True, Q, "prefork", "1.0", capabilities=frozenset({MAX_RETRIES}))
STOCK = Consumer("stock", True, Q, "prefork")
THREADS = Consumer("threads", True, Q, "threads", "1.0", capabilities=frozenset({MAX_RETRIES}))
UNKNOWN = Consumer("unknown", True, None)


@pytest.mark.parametrize(
    ("nodes", "max_retries", "own_limit", "base"),
    [
        ([STOCK], 1, 3, 2),
        ([STOCK], 3, 3, 0),
        ([STOCK], 5, 3, 0),
        ([STOCK], None, 3, 0),
        ([STOCK], 1, None, 0),
        ([OURS], 1, 3, 0),
        ([OURS, STOCK], 1, 3, 0),
        ([STOCK, UNKNOWN], 1, 3, 0),
        ([], 1, 3, 0),
    ],
)
def test_only_a_lower_limit_on_stock_workers_alone_shifts_the_count(
    nodes: list[Consumer], max_retries: int | None, own_limit: int | None, base: int
) -> None:
    consumers = Consumers(nodes)
    assert retries_base(consumers, queue_name="q", max_retries=max_retries, own_limit=own_limit) == base


def explain(
    nodes: list[Consumer],
    *,
    timeout_seconds: int | None = None,
    max_retries: int | None = 3,
    own_limit: int | None = 3,
    on_redis: bool = True,
    differing: str | None = None,
) -> str | None:
    return explain_limits(
        Consumers(nodes),
        queue_name="q",
        timeout_seconds=timeout_seconds,
        max_retries=max_retries,
        own_limit=own_limit,
        on_redis=on_redis,
        differing=differing,
    )


def test_where_all_holds_nothing_is_said() -> None:
    assert explain([OURS], timeout_seconds=86_400, max_retries=9) is None
    assert explain([STOCK], timeout_seconds=60, max_retries=1) is None
    assert explain([OURS, STOCK]) is None
    assert explain([], timeout_seconds=60, max_retries=9) is None
    assert explain([UNKNOWN], timeout_seconds=60, max_retries=9) is None


@pytest.mark.parametrize(
    ("nodes", "max_retries", "own_limit", "kept"),
    [
        ([STOCK], 5, 3, "its own limit of 3"),
        ([OURS, STOCK], 1, 3, "its own limit of 3"),
        ([STOCK], 1, None, "its own limit."),
    ],
)
def test_a_limit_that_a_stock_worker_does_not_keep_is_named(
    nodes: list[Consumer], max_retries: int, own_limit: int | None, kept: str
) -> None:
    told = explain(nodes, max_retries=max_retries, own_limit=own_limit)
    assert told is not None
    assert "max_retries is not enforced" in told
    assert kept in told


def test_a_pool_without_time_limits_is_named() -> None:
    assert explain([OURS, THREADS], timeout_seconds=5) == "timeout_seconds is not enforced on a threads pool."


def test_a_run_that_outlasts_a_stock_visibility_timeout_may_come_twice() -> None:
    told = explain([STOCK], timeout_seconds=7_200)
    assert told is not None
    assert "visibility timeout" in told


def test_workers_that_share_no_list_are_told_of_where_a_queue_consists_of_lists() -> None:
    apart = [replace(OURS, options=BrokerOptions(priority_steps=(step,))) for step in (5, 6)]
    told = explain(apart)
    assert told == "The workers of this queue read no priority list in common: the task reaches only some of them."
    assert explain(apart, on_redis=False) is None


def test_a_worker_that_has_not_said_which_lists_it_reads_is_told_of() -> None:
    told = explain([replace(OURS, is_late=True)])
    assert told is not None
    assert told.startswith("A worker that may take from this queue has not said which priority lists it reads")


def test_workers_that_cannot_be_reached_are_told_of_where_no_other_takes_from_the_queue() -> None:
    assert explain([], differing="They use another prefix") == "They use another prefix."
    assert explain([UNKNOWN], differing="They use another prefix") == "They use another prefix."
    assert explain([OURS], differing="They use another prefix") is None
