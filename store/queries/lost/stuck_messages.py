"""Tasks whose message may have strayed, and the workers that could have it after all."""

from collections.abc import Collection

from sqlalchemy import Text, bindparam, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.states import Phase
from domain.workers.status import KNOWN_WITHIN
from store.queries.workers.nodes import has_not_left, is_online, last_sign
from store.tables.tasks import tasks
from store.tables.workers import workers

_unheld = (
    select(tasks.c.task_id)
    .outerjoin(workers, workers.c.node == tasks.c.node)
    .where(
        tasks.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_(),
        or_(
            tasks.c.phase.in_((Phase.QUEUED.value, Phase.RETRYING.value)),
            # A stock worker may hold one that it does not tell of: it waits for its rate limit.
            (tasks.c.phase == Phase.RESERVED.value) & workers.c.plugin.is_not(None),
        ),
    )
)


async def list_unheld(connection: AsyncConnection, task_ids: Collection[str]) -> frozenset[str]:
    """Return the unfinished ones of these that no worker runs as far as we know; with our plugin, nor is about to."""
    rows = await connection.execute(_unheld, {"task_ids": list(task_ids)})
    return frozenset(rows.scalars())


async def list_silent_nodes(connection: AsyncConnection) -> frozenset[str]:
    """Return nodes heard within a week that are not online and said no goodbye: busy with one task, cut off or dead."""
    heard = last_sign() > func.now() - literal(KNOWN_WITHIN)
    silent = select(workers.c.node).where(heard, ~is_online(), has_not_left())
    return frozenset((await connection.execute(silent)).scalars())
