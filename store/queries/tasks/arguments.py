"""The arguments of tasks as texts: what is looked through for values that an exception may repeat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, bindparam, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import MARK, CannotOpen
from store.at_rest import JSON_MARK, AtRest, at_rest_of, unsealed
from store.batch import IDS
from store.tables.tasks import task_arguments, tasks

MAX_TEXT = 65_536
"""Characters of each text that are read, so that many tasks with large arguments are no burden."""
SEALED_AT_ONCE = 10
"""How many tasks' arguments are read at a time where they may be encrypted: then they are read whole, up to 1 MiB."""
GIVEN = ("args", "kwargs")


@dataclass(frozen=True, slots=True)
class ArgumentTexts:
    """What one task was given: JSON texts, or what Celery tells of others' tasks; all cut at `MAX_TEXT`."""

    task_id: str
    task_name: str | None
    args: str | None
    kwargs: str | None


def _select(*texts: ColumnElement[Any]) -> Select[Any]:
    return (
        select(tasks.c.task_id, tasks.c.task_name, *texts)
        .join(task_arguments, task_arguments.c.task_id == tasks.c.task_id)
        .where(tasks.c.task_id == bindparam("task_ids", type_=IDS).any_())
    )


def _cut(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """The text cut, unless it is encrypted: of that a part cannot be read."""
    return case(
        (func.starts_with(text, JSON_MARK) | func.starts_with(text, MARK), text), else_=func.left(text, MAX_TEXT)
    )


_JSON = [cast(task_arguments.c[name], Text) for name in GIVEN]
_REPRS = [task_arguments.c[f"{name}_repr"] for name in GIVEN]
_texts = _select(
    *(func.left(func.coalesce(text, told), MAX_TEXT) for text, told in zip(_JSON, _REPRS, strict=True)),
)
_sealed_texts = _select(*map(_cut, (*_JSON, *_REPRS)))


async def list_argument_texts(connection: AsyncConnection, task_ids: Sequence[str]) -> list[ArgumentTexts]:
    """Return the arguments of those of these tasks of which any are known (primary keys)."""
    vault = at_rest_of(connection)
    if not vault.seals:
        found = [ArgumentTexts(*row) for row in await connection.execute(_texts, {"task_ids": list(task_ids)})]
        return [replace(one, args=unsealed(one.args), kwargs=unsealed(one.kwargs)) for one in found]
    texts: list[ArgumentTexts] = []
    for first in range(0, len(task_ids), SEALED_AT_ONCE):
        portion = list(task_ids[first : first + SEALED_AT_ONCE])
        rows = await connection.execute(_sealed_texts, {"task_ids": portion})
        texts += [_opened(vault, row) for row in rows]
    return texts


def _opened(vault: AtRest, row: Any) -> ArgumentTexts:
    task_id, task_name, args, kwargs, args_repr, kwargs_repr = row
    open_json, open_text = partial(_open, vault.open_json, task_id=task_id), partial(_open, vault.open, task_id=task_id)
    return ArgumentTexts(
        task_id,
        task_name,
        open_json(args, column="args") or open_text(args_repr, column="args_repr"),
        open_json(kwargs, column="kwargs") or open_text(kwargs_repr, column="kwargs_repr"),
    )


def _open(opens: Callable[..., str], text: str | None, *, task_id: str, column: str) -> str | None:
    """The text, cut; None where it cannot be read."""
    try:
        return text and opens(text, task_id, column=column)[:MAX_TEXT]
    except CannotOpen:
        return None
