"""Makes of a task the message that a worker understands: Celery's headers and body, encoded as JSON.

Or as the app wants it whose workers throw JSON away (`accept_content`). What is encoded was JSON once: a pickle of it
holds plain data and no code, and none is ever decoded here.
"""

from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.utils.saferepr import saferepr
from kombu.serialization import dumps

from domain.redaction.rules import COMMON, Branch, Redaction
from gateway.messages import TaskMessage

PERSISTENT = 2
MAX_RETRIES_HEADER = "celeriac_max_retries"
DISPATCH_NO_HEADER = "celeriac_dispatch_no"
LONGEST_SHOWN = 1_024
"""Celery shortens what is longer."""
NOT_OURS_TO_SAY = frozenset({"ignore_result"})
"""Headers that Celery's maker of messages always sets, and that a worker since Celery 5.7 obeys before the task's own
setting: `ignore_result: false` brought results to a backend whose owner wants none. The others that it sets say null or
0, which leaves the task's own."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that only needs a channel."""

    task_id: str
    queue_name: str
    body: Any
    priority: int
    """The priority as the broker counts."""
    content_type: str
    content_encoding: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    list_name: str | None = None
    """The list of the queue that it is put into on Redis; None elsewhere."""

    @property
    def size_bytes(self) -> int:
        """Return the size of the body, about."""
        return len(self.body)

    def on(self, channel: Any) -> Any:
        """Return the message as the channel's transport has it."""
        return channel.prepare_message(
            self.body, self.priority, self.content_type, self.content_encoding, self.headers, dict(self.properties)
        )


class EnvelopeMaker:
    """Makes envelopes; belongs to one thread."""

    def __init__(self, serializer: str = "json", *, redaction: Redaction = COMMON) -> None:
        self._serializer = serializer
        self._redaction = redaction
        # Makes messages and never sends one: with a result backend each send would cost a SUBSCRIBE.
        self._messages = Celery("celeriac-publisher", set_as_current=False, broker="memory://").amqp

    def make(self, message: TaskMessage, *, priority: int, list_name: str | None = None) -> Envelope:
        """Make the envelope of a task. Raises whatever Celery, kombu or json has against the arguments."""
        task = self._messages.as_task_v2(
            message.task_id,
            message.task_name,
            tuple(message.args),
            message.kwargs,
            time_limit=message.timeout_seconds,
            argsrepr=self._text_of(tuple(message.args), Branch.ARGS, task_name=message.task_name),
            kwargsrepr=self._text_of(message.kwargs, Branch.KWARGS, task_name=message.task_name),
            retries=message.retries_base,
        )
        content_type, content_encoding, body = dumps(task.body, serializer=self._serializer)
        return Envelope(
            task_id=message.task_id,
            queue_name=message.queue_name,
            body=body,
            priority=priority,
            list_name=list_name,
            content_type=content_type,
            content_encoding=content_encoding,
            headers=_said(task.headers) | _own_headers(message),
            properties=task.properties | {"delivery_mode": PERSISTENT},
        )

    def _text_of(self, arguments: Any, branch: Branch, *, task_name: str) -> str | None:
        """Arguments as events, workers' logs and Flower tell them; None where Celery's own text will do."""
        shown = self._redaction.mask(arguments, branch, task_name=task_name)
        text = _text_of_arguments(shown)
        if text is not None or shown is arguments:
            return text
        # Celery would make its own of the true ones.
        amqp = self._messages
        return saferepr(shown, amqp.argsrepr_maxsize, maxlevels=amqp.app.conf.task_repr_maxlevels)


def _said(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers of which the submission says something; of the others the worker's own settings decide."""
    return {name: value for name, value in headers.items() if name not in NOT_OURS_TO_SAY}


def _own_headers(message: TaskMessage) -> dict[str, int]:
    headers = {DISPATCH_NO_HEADER: message.dispatch_no}
    if message.max_retries is not None:
        headers[MAX_RETRIES_HEADER] = message.max_retries
    return headers


def _text_of_arguments(arguments: object) -> str | None:
    """Arguments as events tell them: Celery's own way to say so is most of the cost of making a message.

    None for long ones, which it then shortens itself.
    """
    text = repr(arguments)
    return text if len(text) <= LONGEST_SHOWN else None
