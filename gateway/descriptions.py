"""What a node says about itself when it is asked, whatever its release of Celery and of our plugin."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import msgspec

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from domain.workers.control import common_capabilities
from gateway.replies import Broker, ConsumedQueues, Pool, RegisteredTasks, Stats, form

TASK_OPTIONS = ("acks_late", "max_retries")
MAX_REGISTERED = 10_000
MAX_REGISTERED_LENGTH = 1_000
"""Characters of a task's name with its options."""
MAX_QUEUES = 1_000
MAX_NAME_LENGTH = 255
"""Characters of a name; what a node says beyond these is passed over."""
MAX_TASK_NAME = 255
MOST_DIGITS = 10
"""Digits of a number that Postgres' integers hold."""

# As Celery writes them: what was asked for, in this order, behind the name and a space.
_WITH_OPTIONS = re.compile(
    rf"(?P<name>.*) \[(?P<options>(?:{'|'.join(TASK_OPTIONS)})=\S+(?: (?:{'|'.join(TASK_OPTIONS)})=\S+)*)\]", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a node says about itself."""

    node: str
    pid: int
    pool: str
    """`prefork`, `threads`, `solo`, `gevent`..."""
    concurrency: int
    queues: tuple[str, ...]
    registered: tuple[str, ...]
    """Names of the tasks that it knows."""
    prefetch_count: int
    plugin: str | None
    """Version of our plugin; None on a stock worker."""
    priority_steps: tuple[int, ...]
    """The priorities that our plugin says it reads on Redis; empty on a stock worker."""
    options: BrokerOptions | None = None
    """How it uses its broker, steps included; None where it does not say."""
    protocol: int | None = None
    """The version of what our plugin says; None on a stock worker."""
    capabilities: tuple[str, ...] = ()
    """What our plugin says can be relied on and we know; none on a stock worker, and where we share no protocol."""
    paused: bool | None = None
    """What our plugin says; None on a stock worker, which is paused when it consumes no queue."""
    autoscales: bool = False
    broadcasts: frozenset[str] = frozenset()
    """The queues that are its own copies of a broadcast."""
    tells_ids: bool = False
    """Whether its plugin says what it holds without the arguments."""
    started: int | None = None
    """How many tasks it has started since it began; None if it does not say."""
    acks_late: frozenset[str] = frozenset()
    """Names of the tasks whose messages it acknowledges only when they have ended."""
    retry_limits: Mapping[str, int] = field(default_factory=dict)
    """The tasks' own `max_retries`, by name; without those that have none."""


def describe_node(node: str, reply: tuple[Any, Any, Any]) -> NodeDescription:
    """Make a description of answers to `stats`, `registered`, `active_queues`; raises what `gateway.replies.form`
    raises.
    """
    stats, registered, queues = form(reply[0], Stats), form(reply[1], RegisteredTasks), form(reply[2], ConsumedQueues)
    plugin = stats.celeriac
    names_and_options = map(_name_and_options, islice(_short(registered, MAX_REGISTERED_LENGTH), MAX_REGISTERED))
    options = {name: options_of for name, options_of in names_and_options if len(name) <= MAX_TASK_NAME}
    return NodeDescription(
        node=node,
        pid=stats.pid,
        pool=_pool_name(stats.pool),
        concurrency=len(stats.pool.processes) if stats.pool.processes else stats.pool.max_concurrency or 0,
        queues=tuple(sorted(islice(_short((queue.name for queue in queues), MAX_NAME_LENGTH), MAX_QUEUES))),
        registered=tuple(sorted(options)),
        prefetch_count=stats.prefetch_count or 0,
        plugin=plugin.version,
        priority_steps=plugin.priority_steps,
        options=_options(stats),
        protocol=plugin.protocol,
        capabilities=common_capabilities(
            plugin.capabilities, protocol=plugin.protocol, oldest_protocol=plugin.oldest_protocol
        ),
        paused=plugin.paused,
        autoscales=bool(stats.autoscaler),
        broadcasts=frozenset(queue.name for queue in queues if queue.exchange and queue.exchange.type == "fanout"),
        tells_ids=plugin.tells_ids,
        started=sum(stats.total.values()),
        acks_late=frozenset(name for name, options_of in options.items() if options_of.get("acks_late") == "True"),
        retry_limits={
            name: int(options_of["max_retries"]) for name, options_of in options.items() if _is_limit(options_of)
        },
    )


def _options(stats: Stats) -> BrokerOptions | None:
    """What a worker was not told, it does as kombu has it; the plugin's word on steps is older than that of stats."""
    try:
        broker = form(stats.broker, Broker)
        options = BrokerOptions.from_transport_options(broker.transport_options or {})
    except (msgspec.ValidationError, ValueError):
        steps = tuple(sorted(set(stats.celeriac.priority_steps)))
        return BrokerOptions(priority_steps=steps) if steps else None
    return options if options.priority_steps else replace(options, priority_steps=STOCK_PRIORITY_STEPS)


def _short(names: Iterable[str], most: int) -> Iterator[str]:
    return (name for name in names if len(name) <= most)


def _name_and_options(text: str) -> tuple[str, dict[str, str]]:
    """`name [acks_late=True max_retries=3]`; an option that is None is left out. A name may hold ` [` itself."""
    match = _WITH_OPTIONS.fullmatch(text)
    if match is None:
        return text, {}
    return match["name"], dict(option.split("=", 1) for option in match["options"].split())


def _is_limit(options: Mapping[str, str]) -> bool:
    limit = options.get("max_retries", "")
    return limit.isdecimal() and len(limit) < MOST_DIGITS


def _pool_name(pool: Pool) -> str:
    """Return the name as `--pool` has it: `prefork` of `celery.concurrency.prefork:TaskPool`, `threads` of `thread`.

    Before Celery 5.3 a pool does not say what it is; each says something that the others do not.
    """
    if pool.implementation:
        name = pool.implementation.split(":")[0].rsplit(".", 1)[-1]
        return "threads" if name == "thread" else name
    if pool.writes is not None:
        return "prefork"
    if pool.threads is not None:
        return "threads"
    return "solo" if pool.processes else "gevent"
