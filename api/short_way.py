"""The short way of `POST /tasks`: a submission that is plainly sound is stored past the framework, whose routing,
dependencies and validation take more time than all the rest of it.

It lies inside of every layer that judges requests, and knows one answer only. Whatever is not plainly sound, from a
query to a queue outside somebody's limits, goes the framework's way with the body that was read. So each refusal is
the framework's own.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bodies.reading import LARGE_BYTES
from api.bodies.submissions import explain_limits, find_unknown, refuse_marked, refuse_outside, to_submission
from api.dependencies import ProcessResources
from api.errors import OutsideLimits
from api.handlers import FORESEEN, answer_foreseen
from api.middleware.scopes import PRINCIPAL
from api.resilience.guard import Guard
from api.schemas.tasks import SubmittedTask, TaskSubmission
from domain.degradation import Access
from domain.errors import InvalidRequest
from domain.principals import Principal
from domain.scopes import Scope as Permission
from domain.submissions import Submission

PATH = "/api/v1/tasks"
_JSON = b"application/json"
_UNUSUAL = frozenset({b"idempotency-key", b"transfer-encoding"})
"""Headers with which a request goes the framework's way."""

_wanted = TypeAdapter(TaskSubmission)
_answer = TypeAdapter(SubmittedTask)


class ShortWay:
    """The layer in front of the framework; `app_of` returns the application, once that has all its routes."""

    def __init__(self, app: ASGIApp, *, app_of: Callable[[], FastAPI]) -> None:
        self._app = app
        routes = iter_route_contexts(app_of().routes)
        self._route = next(each for each in routes if each.path == PATH and "POST" in (each.methods or ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or not _is_usual(scope):
            await self._app(scope, receive, send)
            return
        heard, body = await _read(receive)
        wanted = _plainly_sound(scope, body) if body else None
        again = _again(heard, receive)
        if wanted is None:
            await self._app(scope, again, send)
            return
        scope["route"] = self._route
        guard: Guard = scope["app"].state.guard
        submit = partial(self._answer_sound, wanted=wanted)
        try:
            await guard.pass_through(submit, scope, receive=again, send=send, access=Access.SUBMIT, caches=False)
        except FORESEEN as error:
            await answer_foreseen(error, scope)(scope, receive, send)

    async def _answer_sound(self, scope: Scope, receive: Receive, send: Send, /, *, wanted: TaskSubmission) -> None:
        caller: Principal = scope[PRINCIPAL]
        resources: ProcessResources = scope["app"].state.resources
        task = None
        if not await find_unknown(resources.task_names, [wanted.task_name], limits=caller.limits):
            task = _to_task(wanted, resources, author=caller.author)
        if task is None:
            await self._app(scope, receive, send)
            return
        await refuse_marked(resources.marks, [task])
        answer = SubmittedTask.from_submission(task, message=explain_limits(resources.limits, task))
        await resources.batcher.store(task)
        scope["task_id"] = task.task_id
        text = _answer.dump_json(answer)
        headers = [(b"content-length", b"%d" % len(text)), (b"content-type", _JSON)]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def _is_usual(scope: Scope) -> bool:
    """Whether its head promises a small body of JSON and asks for nothing else."""
    if scope["query_string"]:
        return False
    lengths, media_types = [], []
    for name, value in scope["headers"]:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"content-type":
            media_types.append(value)
        elif name in _UNUSUAL:
            return False
    return media_types == [_JSON] and len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= LARGE_BYTES


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """What was received, and the body; None of one that has broken off."""
    heard: list[Message] = []
    while not heard or heard[-1].get("more_body"):
        heard.append(await receive())
        if heard[-1]["type"] != "http.request":
            return heard, None
    return heard, b"".join(message.get("body", b"") for message in heard)


def _again(heard: list[Message], receive: Receive) -> Receive:
    """What receives the same once more, and then what follows."""
    left = iter(heard)

    async def receive_again() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again


def _plainly_sound(scope: Scope, body: bytes) -> TaskSubmission | None:
    """What is to be submitted; None where somebody has to be told that it may not be."""
    caller: Principal = scope[PRINCIPAL]
    if not caller.may(Permission.SUBMIT):
        return None
    resources: ProcessResources = scope["app"].state.resources
    try:
        wanted = _wanted.validate_python(json.loads(body))
        refuse_outside(caller.limits, [wanted], default_queue=resources.settings.default_queue)
    except (ValueError, RecursionError, OutsideLimits):
        return None
    return wanted


def _to_task(wanted: TaskSubmission, resources: ProcessResources, *, author: str) -> Submission | None:
    try:
        return to_submission(
            wanted,
            author=author,
            default_queue=resources.settings.default_queue,
            now=datetime.now(UTC),
            own_retries=resources.limits.own_retries,
        )
    except InvalidRequest:
        return None
