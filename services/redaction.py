"""The mask where tasks are read and recorded, by the rules of `domain/redaction/rules.py`.

What is stored of arguments and results stays as it is: workers and replays need it. Exceptions and tracebacks are
different. Nobody runs by them, and lists, files, search and filters read them without the arguments. So they get the
mask before they are stored, in the place of whatever the arguments of their task hide.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact
from domain.identities import Identity, combine
from domain.redaction.rules import Branch, Redaction
from domain.redaction.values import hidden_texts, hide_texts
from domain.results import StoredResult
from services.record import News
from store.queries.tasks.arguments import ArgumentTexts, list_argument_texts
from store.queries.tasks.documents import WholeTask

AT_ONCE = 200
"""How many tasks' arguments are in memory at a time."""
GIVEN = (Branch.ARGS, Branch.KWARGS)
TEXTS = ("exception", "traceback")
"""The details of a fact, and of an attempt, that may repeat what a task was given."""

Told = TypeVar("Told", Fact, StoredResult)
Hidden = Mapping[str, list[str]]
"""How the hidden values of tasks may stand in texts, by task id."""


async def mask_errors(connection: AsyncConnection, news: News, *, redaction: Redaction) -> News:
    """Return the news with the mask wherever what was raised repeats a hidden value of its task."""
    raised = {fact.task_id for fact in news.facts if any(map(fact.details.get, TEXTS))}
    raised |= {result.task_id for result in news.results if result.exception_message or result.traceback}
    if not raised:
        return news
    hidden = _hidden_of(_told_now(news.identities, raised), redaction)
    ids = sorted(raised)
    for first in range(0, len(ids), AT_ONCE):
        stored = _hidden_of(await list_argument_texts(connection, ids[first : first + AT_ONCE]), redaction)
        # A retry may have other arguments than the ones that are stored: what either hides is hidden.
        hidden |= {task_id: _longest_first([*hidden.get(task_id, ()), *texts]) for task_id, texts in stored.items()}
    if not hidden:
        return news
    return replace(
        news,
        facts=[_masked(fact, hidden, mask=_mask_fact) for fact in news.facts],
        results=[_masked(result, hidden, mask=_mask_result) for result in news.results],
    )


def mask_task(task: WholeTask, *, redaction: Redaction) -> WholeTask:
    """Return a task as it may be shown; the same one if nothing in it is hidden."""
    name = task.task_name
    values = {str(branch): redaction.mask(getattr(task, branch), branch, task_name=name) for branch in Branch}
    told = {branch: text for branch in Branch if (text := getattr(task, f"{branch}_repr")) is not None}
    texts = {f"{branch}_repr": redaction.mask_text(text, branch, task_name=name) for branch, text in told.items()}
    hidden: list[str] = []
    for branch in GIVEN:
        hidden += hidden_texts(getattr(task, branch), values[branch])
        hidden += redaction.hidden_in_text(told.get(branch, ""), branch, task_name=name)
    if hidden:
        texts |= _mask_texts(task, _longest_first(hidden), told=texts.get("result_repr"))
    shown: dict[str, Any] = {**values, **texts}
    if all(value is getattr(task, field) for field, value in shown.items()):
        return task
    return replace(task, **shown)


def _mask_texts(task: WholeTask, hidden: list[str], *, told: str | None) -> dict[str, Any]:
    attempts = [attempt | _mask_details(attempt, hidden) for attempt in task.attempts]
    texts = {"error": task.error, "traceback": task.traceback, "result_repr": told}
    return {"attempts": attempts} | {name: text and hide_texts(text, hidden) for name, text in texts.items()}


def _mask_details(details: Mapping[str, Any], hidden: list[str]) -> dict[str, str]:
    texts = {name: details.get(name) for name in TEXTS}
    return {name: hide_texts(text, hidden) for name, text in texts.items() if isinstance(text, str)}


def _told_now(identities: Iterable[Identity], raised: set[str]) -> list[ArgumentTexts]:
    """Return what this very news tells of the arguments of others' tasks, which is not stored yet."""
    told = combine(identity for identity in identities if identity.task_id in raised)
    return [ArgumentTexts(task_id, one.task_name, one.args_repr, one.kwargs_repr) for task_id, one in told.items()]


def _hidden_of(given: Iterable[ArgumentTexts], redaction: Redaction) -> dict[str, list[str]]:
    hidden: dict[str, list[str]] = {}
    for task in given:
        found = [
            text
            for branch, given_text in ((Branch.ARGS, task.args), (Branch.KWARGS, task.kwargs))
            if given_text
            for text in redaction.hidden_in_text(given_text, branch, task_name=task.task_name)
        ]
        if found:
            hidden[task.task_id] = _longest_first(found)
    return hidden


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(texts), key=len, reverse=True)


def _masked(told: Told, hidden: Hidden, *, mask: Callable[[Told, list[str]], Told]) -> Told:
    found = hidden.get(told.task_id)
    return mask(told, found) if found else told


def _mask_fact(fact: Fact, hidden: list[str]) -> Fact:
    masked = _mask_details(fact.details, hidden)
    return replace(fact, details={**fact.details, **masked}) if masked else fact


def _mask_result(result: StoredResult, hidden: list[str]) -> StoredResult:
    message, traceback = (text and hide_texts(text, hidden) for text in (result.exception_message, result.traceback))
    return replace(result, exception_message=message, traceback=traceback)
