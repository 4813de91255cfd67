"""Nodes that are but names in events: whoever reaches the broker can make any number of them."""

from sqlalchemy import ColumnElement, Integer, and_, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.queries.workers import has_wish
from store.worker_tables import workers


def is_stranger() -> ColumnElement[bool]:
    """Whether it never answered a question, and nobody registered it or wants anything of it."""
    return and_(workers.c.described_at.is_(None), workers.c.registered_at.is_(None), ~has_wish())


_strangers = select(workers.c.node).where(is_stranger())
_forget_strangers = delete(workers).where(
    workers.c.node.in_(
        _strangers.order_by(workers.c.last_heartbeat_at.desc().nulls_last(), workers.c.node)
        .offset(bindparam("kept", type_=Integer))
        .limit(bindparam("most", type_=Integer))
    )
)


async def forget_strangers(connection: AsyncConnection, *, kept: int, most: int) -> int:
    """Remove all but the `kept` strangers that were heard last, `most` of them at once; how many."""
    return (await connection.execute(_forget_strangers, {"kept": kept, "most": most})).rowcount
