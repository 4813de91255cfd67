"""The tree that a task stands in: chains, groups and chords, as other programs start them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from api.declarations import needs, within_limits
from api.dependencies import ReadConnection, Sighted
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.pages import MAX_LIMIT
from api.schemas.trees import TaskTree, TreeTask
from domain.errors import TaskNotFound
from domain.scopes import Scope
from domain.trees import Kin, arrange
from store.queries import trees
from store.queries.sight import list_seen
from store.queries.trees import TreeMember

router = api_router("/tasks", tag="tasks")


@router.get("/{task_id}/tree", summary="Get a task's tree", responses=responses(TaskNotFound))
@needs(Scope.READ)
@within_limits
async def get_tree(
    connection: ReadConnection,
    task_id: str,
    *,
    sight: Sighted,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The oldest so many tasks of the tree.")] = MAX_LIMIT,
) -> TaskTree:
    """All tasks with the same root, each behind the one that it came of. A bare group has no common root."""
    root_id = await trees.get_root_id(connection, task_id, sight=sight)
    if root_id is None:
        raise TaskNotFound
    total, members = await trees.list_tree(connection, root_id, limit=limit, sight=sight)
    is_seen = not sight.is_bounded or bool(await list_seen(connection, [root_id], sight=sight))
    return TaskTree(
        task_id=task_id,
        root_id=root_id if is_seen else None,
        total=total,
        limit=limit,
        offset=0,
        data=_arranged(root_id, members),
    )


def _arranged(root_id: str, members: Sequence[TreeMember]) -> list[TreeTask]:
    by_id = {member.task_id: member for member in members}
    kin = [Kin(member.task_id, member.parent_id, member.created_at) for member in members]
    return [TreeTask.from_place(by_id[placed.task_id], depth=placed.depth) for placed in arrange(root_id, kin)]
