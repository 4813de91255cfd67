"""Full-text search in Postgres: the queue of tasks to be indexed, their documents, and the condition that finds them.

Words and queries come from `domain/search_text.py`; Postgres gets them ready-made, so its parsers have no part in this.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Integer, Text, bindparam, cast, exists, func, literal, null, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.search_text import Query, Term
from store.at_rest import at_rest_of, unsealed
from store.batch import batch_of, bind_rows
from store.tables.search import search_queue, task_search
from store.tables.tasks import task_arguments, tasks

MAX_TEXT = 8192
"""How much of the arguments and of the error is searched, in characters: JSON is stored as ASCII."""

# By place, since the queue has no key. Nobody else deletes: the caller is the only reader.
_claim = text(
    "DELETE FROM search_queue WHERE ctid = ANY (ARRAY(SELECT ctid FROM search_queue LIMIT :batch_size)) "
    "RETURNING task_id"
).bindparams(bindparam("batch_size", type_=Integer))


any_waiting = exists().select_from(search_queue)
"""Whether the queue holds anything."""
_is_any_waiting = select(any_waiting)


async def is_any_waiting(connection: AsyncConnection) -> bool:
    """Tell whether the queue holds anything."""
    return bool((await connection.execute(_is_any_waiting)).scalar_one())


async def claim_waiting(connection: AsyncConnection, *, batch_size: int) -> list[str]:
    """Take ids off the queue, each as often as it stands there; the caller holds `leadership.SEARCH_INDEX`."""
    return [row.task_id for row in await connection.execute(_claim, {"batch_size": batch_size})]


@dataclass(frozen=True, slots=True)
class SearchSource:
    """What a task is found by."""

    task_id: str
    task_name: str | None
    queue_name: str | None
    node: str | None
    error: str | None
    args: str | None
    """The arguments as JSON, or as the text that Celery tells; these and those by name, each cut at `MAX_TEXT`."""
    kwargs: str | None


_given = (
    func.left(func.coalesce(cast(task_arguments.c[name], Text), task_arguments.c[f"{name}_repr"]), MAX_TEXT)
    for name in ("args", "kwargs")
)
_named = select(
    tasks.c.task_id,
    tasks.c.task_name,
    tasks.c.queue_name,
    tasks.c.node,
    func.left(tasks.c.exception, MAX_TEXT),
).where(tasks.c.task_id == bindparam("task_ids", type_=ARRAY(Text)).any_())
_sources = _named.add_columns(*_given).outerjoin(task_arguments, task_arguments.c.task_id == tasks.c.task_id)
_sources_without_arguments = _named.add_columns(null(), null())


async def list_sources(connection: AsyncConnection, task_ids: Sequence[str]) -> list[SearchSource]:
    """Return what these tasks are found by; those that are gone are left out (primary keys).

    What is encrypted at rest is not among it, nor is anything that a key would encrypt: its words would stand here.
    """
    statement = _sources_without_arguments if at_rest_of(connection).seals else _sources
    found = [SearchSource(*row) for row in await connection.execute(statement, {"task_ids": list(task_ids)})]
    return [replace(one, args=unsealed(one.args), kwargs=unsealed(one.kwargs)) for one in found]


_DOCUMENT = ("task_id", "document")
_documents = batch_of(task_id=Text, document=Text)
_insert_documents = insert(task_search).from_select(
    _DOCUMENT, select(_documents.c.task_id, cast(_documents.c.document, TSVECTOR))
)
_write_documents = _insert_documents.on_conflict_do_update(
    index_elements=["task_id"],
    set_={"document": _insert_documents.excluded.document},
    where=task_search.c.document != _insert_documents.excluded.document,
)


async def write_documents(connection: AsyncConnection, words: Mapping[str, Mapping[str, Iterable[int]]]) -> None:
    """Store the words of these tasks with their positions, over what was there."""
    rows = [(task_id, _vector(positions)) for task_id, positions in words.items()]
    await connection.execute(_write_documents, bind_rows(_DOCUMENT, rows))


def matches(query: Query) -> ColumnElement[bool]:
    """Return the condition that a task's document answers the query (index task_search_document)."""
    condition = task_search.c.document.op("@@")(cast(literal(_tsquery(query), Text), TSQUERY))
    return tasks.c.task_id.in_(select(task_search.c.task_id).where(condition))


def _vector(positions: Mapping[str, Iterable[int]]) -> str:
    return " ".join(f"{_quoted(word)}:{','.join(map(str, places))}" for word, places in positions.items())


def _tsquery(query: Query) -> str:
    return " | ".join(f"({' & '.join(map(_operand, terms))})" for terms in query)


def _operand(term: Term) -> str:
    suffix = ":*" if term.is_prefix else ""
    spelled = " <-> ".join(map(_quoted, term.words)) + suffix
    if term.joined is not None:
        spelled = f"{spelled} | {_quoted(term.joined)}{suffix}"
    return f"{'!' if term.is_excluded else ''}({spelled})"


def _quoted(word: str) -> str:
    """A lexeme as Postgres reads it; no word holds a quote or backslash, but that is for others to know."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
