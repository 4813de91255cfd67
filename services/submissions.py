"""Storing submissions in the transaction of whoever submits. Those of clients are grouped before: see
`resident/submission_batcher.py`.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.submissions import Submission
from store.queries import submissions


async def submit(connection: AsyncConnection, new: Sequence[Submission]) -> None:
    """Store these in the caller's transaction, by one statement: a group's has no other transaction around it. The
    commit wakes the dispatchers.
    """
    await submissions.add_submissions(connection, new)
