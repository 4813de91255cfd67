"""Keeping search documents true: takes what the writers have queued and stores what each task is found by now.

Writers only append ids, in their own transaction; the words are made here, later, and at a cost that is nobody's wait.
"""

import asyncio
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.redaction.rules import COMMON, Branch, Redaction
from domain.search_text import index_words, unescape
from domain.workers.status import hostname
from store.queries import leadership, search
from store.queries.search import MAX_TEXT, SearchSource

BATCH_SIZE = 500


async def index_waiting(
    connection: AsyncConnection, *, batch_size: int = BATCH_SIZE, redaction: Redaction = COMMON
) -> int:
    """Index one batch of what waits; returns how much that was.

    One process at a time: of two that indexed the same task, the one that read it earlier could write later.
    """
    if not await leadership.take(connection, leadership.SEARCH_INDEX):
        return 0
    waiting = await search.claim_waiting(connection, batch_size=batch_size)
    if waiting:
        sources = await search.list_sources(connection, sorted(set(waiting)))
        # In a thread: 500 tasks with 8 KiB of arguments each take 1.8 s, and dispatch runs in this process.
        await search.write_documents(connection, await asyncio.to_thread(_words, sources, redaction))
    return len(waiting)


def _words(sources: Iterable[SearchSource], redaction: Redaction) -> dict[str, dict[str, list[int]]]:
    return {source.task_id: index_words(_parts(source, redaction)) for source in sources}


def _parts(source: SearchSource, redaction: Redaction) -> list[str]:
    texts = (source.task_name, source.queue_name, source.node and hostname(source.node), source.task_id, source.error)
    return [part for part in texts if part] + [unescape(_arguments(source, redaction))]


def _arguments(source: SearchSource, redaction: Redaction) -> str:
    """Return what was given to the task without what is hidden of it, cut as a whole."""
    given = (
        redaction.mask_text(text, branch, task_name=source.task_name)
        for branch, text in ((Branch.ARGS, source.args), (Branch.KWARGS, source.kwargs))
        if text
    )
    return " ".join(given)[:MAX_TEXT]
