"""Running a task again: a new task with the old one's arguments, told on both.

It has finished, or is nowhere to be found: whether that one is to run again is then for a person to say.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change
from domain.errors import TaskNotFinished, TaskNotFound
from domain.facts import Fact
from domain.replays import Replay, replay_of
from domain.states import TERMINAL, EventType
from domain.submissions import Submission
from services.audit import record_change
from services.record import News, record
from services.submissions import submit
from store.queries import submissions
from store.queries.lost import doubts
from store.queries.tasks import writing


async def replay(connection: AsyncConnection, task_id: str, *, new: Replay, author: Author) -> Submission:
    """Submit the task anew and note it on its timeline; returns what was submitted.

    Raises TaskNotFound, TaskNotFinished, ArgumentsNotRecorded, and InvalidRequest for arguments too large.
    """
    locked = (await writing.lock_tasks(connection, [task_id])).get(task_id)
    original = await submissions.get_original(connection, task_id)
    if locked is None or original is None:
        raise TaskNotFound
    if locked.status not in TERMINAL and not await doubts.is_doubted(connection, task_id):
        raise TaskNotFinished(f"The task has not finished: {locked.status}")
    submission = replay_of(original, new, author=author.label)
    await record(connection, News(facts=[_replayed(task_id, submission)]))
    await submit(connection, [submission])
    after = {"new_task_id": submission.task_id, "changed": sorted(new.changes)}
    await record_change(connection, Change(Action.TASK_REPLAY, task_id, after=after), author=author)
    return submission


def _replayed(task_id: str, submission: Submission) -> Fact:
    return Fact(
        task_id=task_id,
        type=EventType.REPLAYED,
        at=submission.created_at,
        key=f"{EventType.REPLAYED}:{submission.task_id}",
        details={"new_task_id": submission.task_id},
    )
