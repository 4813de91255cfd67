"""The arguments of tasks as texts: what is looked through for values that an exception may repeat."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Text, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.batch import IDS
from store.tables.tasks import task_arguments, tasks

MAX_TEXT = 65_536
"""Characters of each text that are read, so that many tasks with large arguments are no burden."""


@dataclass(frozen=True, slots=True)
class ArgumentTexts:
    """What one task was given: JSON texts, or what Celery tells of others' tasks; all cut at `MAX_TEXT`."""

    task_id: str
    task_name: str | None
    args: str | None
    kwargs: str | None


_texts = (
    select(
        tasks.c.task_id,
        tasks.c.task_name,
        *(
            func.left(func.coalesce(cast(task_arguments.c[name], Text), task_arguments.c[f"{name}_repr"]), MAX_TEXT)
            for name in ("args", "kwargs")
        ),
    )
    .join(task_arguments, task_arguments.c.task_id == tasks.c.task_id)
    .where(tasks.c.task_id == bindparam("task_ids", type_=IDS).any_())
)


async def list_argument_texts(connection: AsyncConnection, task_ids: Sequence[str]) -> list[ArgumentTexts]:
    """Return the arguments of those of these tasks of which any are known (primary keys)."""
    return [ArgumentTexts(*row) for row in await connection.execute(_texts, {"task_ids": list(task_ids)})]
