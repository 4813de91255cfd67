"""Nodes that are but names in events: whoever reaches the broker can make any number of them."""

from datetime import timedelta

from sqlalchemy import ColumnElement, Integer, Interval, and_, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.workers.nodes import has_wish, is_held, is_online, last_sign
from store.tables.workers import registered_tasks, workers


def is_stranger() -> ColumnElement[bool]:
    """Return the condition that a node never answered a question, and nobody registered it or wants anything of it."""
    return and_(workers.c.described_at.is_(None), workers.c.registered_at.is_(None), ~has_wish())


_strangers = select(workers.c.node).where(is_stranger())
_forget_strangers = delete(workers).where(
    workers.c.node.in_(
        _strangers.order_by(last_sign().desc().nulls_last(), workers.c.node)
        .offset(bindparam("remaining", type_=Integer))
        .limit(bindparam("most", type_=Integer))
    )
)


any_superfluous = _strangers.offset(bindparam("remaining", type_=Integer)).exists()
"""Whether there are more strangers than `remaining`."""


_old = (
    select(workers.c.node)
    .where(last_sign() < func.now() - bindparam("kept_for", type_=Interval), workers.c.registered_at.is_(None))
    .where(~is_held())
    .limit(bindparam("most", type_=Integer))
)
_forget_old = delete(workers).where(workers.c.node.in_(_old), ~is_online()).returning(workers.c.node)


async def forget_old(connection: AsyncConnection, *, kept_for: timedelta, most: int) -> int:
    """Remove nodes without a sign of life for so long, and what they knew; returns how many. Whoever is wanted so
    stays.
    """
    forgotten = list((await connection.execute(_forget_old, {"kept_for": kept_for, "most": most})).scalars())
    if forgotten:
        await connection.execute(delete(registered_tasks).where(registered_tasks.c.node.in_(forgotten)))
    return len(forgotten)


async def forget_strangers(connection: AsyncConnection, *, remaining: int, most: int) -> int:
    """Remove all but the `remaining` strangers that were heard last, `most` of them at once; returns how many."""
    return (await connection.execute(_forget_strangers, {"remaining": remaining, "most": most})).rowcount
