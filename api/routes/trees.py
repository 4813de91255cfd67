"""The tree that a task stands in: chains, groups and chords, as other programs start them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from api.dependencies import ReadConnection
from api.openapi import responses
from api.routing import api_router
from api.schemas.pages import MAX_LIMIT
from api.schemas.trees import TaskTree, TreeTask
from domain.errors import TaskNotFound
from domain.trees import Kin, arrange
from store.queries import trees
from store.queries.tasks import Record

router = api_router("/tasks", tag="tasks")


@router.get("/{task_id}/tree", summary="Get a task's tree", responses=responses(TaskNotFound))
async def get_tree(
    connection: ReadConnection,
    task_id: str,
    *,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The oldest so many tasks of the tree.")] = MAX_LIMIT,
) -> TaskTree:
    """All tasks with the same root, each behind the one that it came of. A bare group has no common root."""
    root_id = await trees.get_root_id(connection, task_id)
    if root_id is None:
        raise TaskNotFound
    total, records = await trees.list_tree(connection, root_id, limit=limit)
    return TaskTree(
        task_id=task_id, root_id=root_id, total=total, limit=limit, offset=0, data=_arranged(root_id, records)
    )


def _arranged(root_id: str, records: Sequence[Record]) -> list[TreeTask]:
    by_id = {record["task_id"]: record for record in records}
    kin = [Kin(record["task_id"], record["parent_id"], record["created_at"]) for record in records]
    return [TreeTask.from_place(by_id[placed.task_id], depth=placed.depth) for placed in arrange(root_id, kin)]
