"""What Celeriac may order and ask of a worker with the plugin, beside Celery's own remote control."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from celery.utils.log import get_logger
from celery.worker import state as worker_state
from celery.worker.control import control_command, inspect_command

from celeriac_worker.countdown import waiting_turns
from celeriac_worker.gate import GateUnreachableError

logger = get_logger(__name__)

NO_REDIS = {"error": "the plugin has no Redis: set CELERIAC_REDIS_URL on the worker's host"}


@control_command()
def celeriac_pause(state: Any, **_: Any) -> dict[str, Any]:
    """Start no task any more, and give back what has been fetched."""
    node = getattr(state.consumer.controller, "celeriac", None)
    if node is None:
        return NO_REDIS
    node.order(paused=True)
    returned = state.consumer.controller.celeriac_fetching.apply_state()
    try:
        node.gate.set_paused(True)
    except GateUnreachableError as error:
        logger.warning("Redis does not answer (%s): the pause does not outlive this process.", error)
    logger.info("Paused; %d messages went back to their queues.", returned)
    return {"paused": True, "returned": returned}


@control_command()
def celeriac_resume(state: Any, **_: Any) -> dict[str, Any]:
    """Fetch and start tasks again."""
    node = getattr(state.consumer.controller, "celeriac", None)
    if node is None:
        return NO_REDIS
    try:
        node.gate.set_paused(False)
    except GateUnreachableError as error:
        return {"error": f"Redis does not answer ({error}): still paused"}
    node.order(paused=False)
    state.consumer.controller.celeriac_fetching.apply_state()
    logger.info("Resumed.")
    return {"paused": False}


@inspect_command()
def celeriac_drain_status(state: Any, **_: Any) -> dict[str, Any]:
    """Tell what is still to do here, by task id, and whether it would be done elsewhere if this worker were killed."""
    node = getattr(state.consumer.controller, "celeriac", None)
    if node is None:
        return NO_REDIS
    reserved = [request for request in worker_state.reserved_requests if not request.was_put_back]
    active = {request for request in reserved if request.admitted} | set(worker_state.active_requests)
    return {
        "paused": node.paused,
        "active": sorted(request.id for request in active),
        "reserved": sorted(request.id for request in reserved if request not in active),
        "scheduled": sorted(request.id for request in waiting_turns(state.consumer.timer)),
        "acks_late": all(request.task.acks_late for request in active),
    }


@inspect_command()
def celeriac_active(state: Any, **_: Any) -> list[dict[str, Any]]:
    """Tell what runs here, as `active` has it, without the arguments: they may be megabytes, or no JSON."""
    return [
        {"id": request.id, "worker_pid": request.worker_pid, "time_start": request.time_start}
        for request in state.tset(worker_state.active_requests)
    ]


@inspect_command(variadic="ids")
def celeriac_find(state: Any, ids: Any, **_: Any) -> dict[str, str]:
    """Tell in which phase each of these tasks is here, as `query_task` has it, without the arguments."""
    # Before Celery 5.7 those that wait for their time are known to the timer alone.
    phases = {request.id: "scheduled" for request in waiting_turns(state.consumer.timer)}
    requests = [request for task_id in ids if (request := worker_state.requests.get(task_id)) is not None]
    phases |= {request.id: _phase_of(request, phases) for request in requests}
    return {task_id: phases[task_id] for task_id in ids if task_id in phases}


def _phase_of(request: Any, scheduled: Collection[str]) -> str:
    if request in worker_state.active_requests:
        return "active"
    if request in worker_state.reserved_requests:
        return "reserved"
    return "scheduled" if request.id in scheduled else "ready"
