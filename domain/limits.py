"""How far the limits of a submission hold on the workers that may take it, and what to say where they do not.

A hard time limit needs a pool that can enforce it. `max_retries` is obeyed by workers with our plugin; a stock worker
obeys only the task's own limit M, and is held to a lower one N by letting its count begin at M - N.
"""

from collections.abc import Iterator

from domain.consumers import MAX_RETRIES, POOLS_WITH_TIME_LIMITS, Consumers

STOCK_VISIBILITY_SECONDS = 3600
"""Celery's default on Redis, after which a message that was not acknowledged goes to another worker."""


def retries_base(consumers: Consumers, *, queue_name: str, max_retries: int | None, own_limit: int | None) -> int:
    """Return where Celery's count begins, so that stock workers stop at `max_retries`; 0 if that is no help."""
    nodes = consumers.of(queue_name)
    stock = nodes and all(node.queues is not None and MAX_RETRIES not in node.capabilities for node in nodes)
    if not stock or max_retries is None or own_limit is None:
        return 0
    return max(0, own_limit - max_retries)


def explain_limits(
    consumers: Consumers,
    *,
    queue_name: str,
    timeout_seconds: int | None,
    max_retries: int | None,
    own_limit: int | None,
    on_redis: bool = True,
    differing: str | None = None,
) -> str | None:
    """What does not hold, in sentences; None if all of it holds, or nobody is known to take from the queue.

    `on_redis`: whether a queue consists of lists. `differing` is said of workers that cannot be reached, where no other
    is known to take from the queue.
    """
    sentences = [*_of_retries(consumers, queue_name, max_retries=max_retries, own_limit=own_limit)]
    if on_redis:
        sentences += _of_lists(consumers, queue_name)
    if differing and not any(node.queues is not None for node in consumers.of(queue_name)):
        sentences.append(f"{differing}.")
    if timeout_seconds is not None:
        sentences += _of_time(consumers, queue_name, timeout_seconds=timeout_seconds)
    return " ".join(sentences) or None


def _of_retries(
    consumers: Consumers, queue_name: str, *, max_retries: int | None, own_limit: int | None
) -> Iterator[str]:
    nodes = [node for node in consumers.of(queue_name) if node.queues is not None]
    without = [node for node in nodes if MAX_RETRIES not in node.capabilities]
    if not without or max_retries is None or max_retries == own_limit:
        return
    if len(without) < len(nodes) or own_limit is None or max_retries > own_limit:
        own = "its own limit" if own_limit is None else f"its own limit of {own_limit}"
        yield f"max_retries is not enforced on workers without Celeriac's plugin: there the task keeps {own}."


def _of_lists(consumers: Consumers, queue_name: str) -> Iterator[str]:
    if consumers.have_no_list_in_common(queue_name):
        yield "The workers of this queue read no priority list in common: the task reaches only some of them."
    elif consumers.say_nothing_of_lists(queue_name):
        yield (
            "A worker that may take from this queue has not said which priority lists it reads: the task goes into the "
            "one that others read too, whatever its priority."
        )


def _of_time(consumers: Consumers, queue_name: str, *, timeout_seconds: int) -> Iterator[str]:
    nodes = [node for node in consumers.of(queue_name) if node.queues is not None]
    pools = sorted({node.pool for node in nodes if node.pool and node.pool not in POOLS_WITH_TIME_LIMITS})
    if pools:
        yield f"timeout_seconds is not enforced on a {' or '.join(pools)} pool."
    if timeout_seconds > STOCK_VISIBILITY_SECONDS and any(node.plugin is None for node in nodes):
        yield (
            "A worker without Celeriac's plugin may run a task again that runs longer than its broker's visibility "
            "timeout (1 h on Redis, unless it was set)."
        )
