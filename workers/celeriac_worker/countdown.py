"""Requests that wait for their time, as the worker's timer has them.

Celery keeps them nowhere else before 5.7; its list of there also names those whose time has come, and that wait for a
rate limit.
"""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.request import Request

# From 5.7 on Celery cancels what waits when the connection is lost, and has to be told what that is.
_task_scheduled = getattr(state, "task_scheduled", None)


def waiting_turns(timer: Any) -> dict[Any, Any]:
    """Map each request to what `cancel_turn` takes: gevent's greenlet, elsewhere an entry of the heap, which is copied
    here.
    """
    turns = {}
    for waiting in list(timer.schedule.queue):
        request = next(iter(waiting.entry.args or ()), None)
        # A cancelled entry stays in its heap until it is due.
        if isinstance(request, Request) and not waiting.entry.canceled:
            turns[request] = waiting if hasattr(waiting, "cancel") else waiting.entry
    return turns


def give_turn(consumer: Any, request: Any, *, seconds: float) -> None:
    """Give the request to the pool after so many seconds, in the way of a task with a countdown."""
    consumer.qos.increment_eventually()
    turn = consumer.timer.call_after(seconds, consumer.apply_eta_task, (request,))
    if _task_scheduled is not None:
        request._eta_timer_entry = turn
        _task_scheduled(request)


def cancel_turn(consumer: Any, turn: Any) -> None:
    """Take the turn away: the request will not come."""
    consumer.timer.cancel(turn)
    consumer.qos.decrement_eventually()
