"""Signs of life of workers that are no heartbeats, the questions they left open, and whether they tell of tasks."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Boolean, Integer, Text, Uuid, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.workers.status import worker_id_of
from store.batch import Columns, batch_of, bind_rows
from store.queries.workers.nodes import DEAF, is_mute, is_online, stored
from store.tables.base import Time
from store.tables.workers import workers

_SEEN: Columns = {"worker_id": Uuid(), "node": Text(), "seen_at": Time, "task_event_at": Time, "events": Boolean()}
_seen = batch_of(**_SEEN)
_insert_seen = insert(workers).from_select(
    (*_SEEN, "first_seen_at"), select(*_seen.c, _seen.c.seen_at).order_by(_seen.c.node)
)
_see = _insert_seen.on_conflict_do_update(
    index_elements=["node"],
    set_={name: func.greatest(stored(name), _insert_seen.excluded[name]) for name in ("seen_at", "task_event_at")}
    | {"events": func.coalesce(_insert_seen.excluded["events"], workers.c.events)}
    | {"first_seen_at": func.coalesce(workers.c.first_seen_at, _insert_seen.excluded["first_seen_at"])},
)


async def see(connection: AsyncConnection, seen: Mapping[str, datetime], *, tells_of_tasks: bool = False) -> None:
    """Store, by node, signs of life that are no heartbeats; a node that is not known gets its id.

    `tells_of_tasks`: they are events of tasks, so these nodes send them.
    """
    rows = [
        (worker_id_of(node), node, at, at if tells_of_tasks else None, True if tells_of_tasks else None)
        for node, at in seen.items()
    ]
    await connection.execute(_see, bind_rows(tuple(_SEEN), rows))


async def list_fading(connection: AsyncConnection, *, limit: int) -> frozenset[str]:
    """Return online nodes that send no heartbeats: they last as long as they are seen."""
    fading = select(workers.c.node).where(is_online(), is_mute()).order_by(workers.c.seen_at).limit(limit)
    return frozenset((await connection.execute(fading)).scalars())


async def is_somebody_silent(connection: AsyncConnection) -> bool:
    """Tell whether an online node has never answered any of several questions."""
    silent = and_(is_online(), workers.c.described_at.is_(None), workers.c.unanswered >= DEAF)
    return (await connection.execute(select(workers.c.node).where(silent).limit(1))).scalar_one_or_none() is not None


async def note_unanswered(
    connection: AsyncConnection, nodes: Collection[str], *, unreadable: Mapping[str, str]
) -> None:
    """Note that these were asked and told nothing; `unreadable` is in which form those did that answered all
    the same."""
    for node in sorted(nodes):
        silent = {"asked_at": func.now(), "unanswered": workers.c.unanswered + 1, "unreadable": unreadable.get(node)}
        await connection.execute(update(workers).where(workers.c.node == node).values(silent))


async def note_events_asked(
    connection: AsyncConnection, nodes: Collection[str], *, sending: Mapping[str, bool]
) -> None:
    """Note that they were told to send events of their tasks, and do or cannot; all are asked again when they begin
    anew.
    """
    for node in sorted(nodes):
        values = {"events_asked_at": func.now(), "events_asked_pid": workers.c.described_pid}
        sends = {"events": sending[node]} if node in sending else {}
        await connection.execute(update(workers).where(workers.c.node == node).values(**values, **sends))


_unasked_of_events = (
    select(workers.c.node)
    .where(
        is_online(),
        workers.c.described_at.is_not(None),
        or_(
            workers.c.events_asked_at.is_(None),
            workers.c.events_asked_at < workers.c.online_at,
            workers.c.described_pid.is_distinct_from(workers.c.events_asked_pid),
        ),
    )
    .order_by(workers.c.node)
    .limit(bindparam("limit", type_=Integer))
)


any_unasked_of_events = _unasked_of_events.order_by(None).limit(None).exists()
"""Whether `list_unasked_of_events` finds any."""


async def list_unasked_of_events(connection: AsyncConnection, *, limit: int) -> list[str]:
    """Return online nodes that answer and whose process was not yet told to send events of its tasks."""
    return list((await connection.execute(_unasked_of_events, {"limit": limit})).scalars())
