"""Celery's settings for our workers and Flower: plain Celery, with a reason at each value that is not its default.

Read from the environment that `celeriac up` or a compose file gives its children. A foreign Celery app needs none of
this: the gateway takes every worker as it is.
"""

import json
import os
from typing import Any

from domain.server_urls import (
    beside_broker,
    is_redis,
    kombu_sentinel_options,
    kombu_tls,
    kombu_url,
    with_sentinel_options,
)

_HOUR_SECONDS = 3600


def _names(variable: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in os.environ.get(variable, "").split(",") if name.strip())


def _options(server: str) -> dict[str, Any]:
    """Return the options that an app beside ours has for the same server: we read and write the same lists and keys."""
    return dict(json.loads(os.environ.get(f"CELERIAC_{server}_TRANSPORT_OPTIONS") or "{}"))


_broker_options, _result_options = _options("BROKER"), _options("RESULT")
_broker = with_sentinel_options(os.environ.get("CELERIAC_BROKER_URL") or "redis://127.0.0.1:6379/0", _broker_options)
_on_redis = is_redis(_broker)
_results = (
    os.environ.get("CELERIAC_RESULT_URL") or os.environ.get("CELERIAC_REDIS_URL") or (_broker if _on_redis else None)
)
if _results:
    _results = beside_broker(
        _results,
        _result_options,
        broker_url=_broker,
        broker_options=_broker_options,
    )
if _results and _results.startswith("django-"):
    # The database of a Django application, which Celery reaches by Django alone. Our own workers store nothing there.
    _results = "disabled://"
# In Celery's own words: a URL of ours may also say how the server is proven, and which master sentinels are asked for.
broker_url = kombu_url(_broker)
broker_use_ssl = kombu_tls(_broker)
result_backend = kombu_url(_results) if _results else None
redis_backend_use_ssl = kombu_tls(_results) if _results and is_redis(_results) else None

# --- What runs, and from where -----------------------------------------------------------------

include = ("tasks.basics", "tasks.text", "tasks.files", "tasks.examples", *_names("CELERIAC_TASK_MODULES"))
task_default_queue = os.environ.get("CELERIAC_DEFAULT_QUEUE") or "celery"
# RabbitMQ orders by priority only in a queue that was declared for it; Redis takes no notice.
task_queue_max_priority = 10
# A task sent by a task names no priority, which Redis takes for the most urgent of all. This is our 5.
task_default_priority = 3 if _on_redis else 5

# --- Nothing but JSON --------------------------------------------------------------------------

# The defaults; said aloud because a pickle in a queue is code that runs here.
task_serializer = result_serializer = "json"
accept_content = ("json",)

# --- A task is not lost with the process that runs it ------------------------------------------

# Acknowledged when done: a killed worker's task goes to another one. Tasks may therefore run twice.
task_acks_late = True
# A task whose own process died counts as retried, so a deadly one ends after max_retries. The older
# task_reject_on_worker_lost puts it back for ever.
task_retry_on_worker_lost = True
# Redis gives a silent worker's messages to another after this time. It must be longer than the longest run, or that
# runs twice; the API accepts limits up to 24 h.
_visibility_seconds = 25 * _HOUR_SECONDS
# A message that comes a second time is not run again if its result says SUCCESS; so results must live longer than that.
worker_deduplicate_successful_tasks = True
result_expires = _visibility_seconds + 23 * _HOUR_SECONDS
# Not set: worker_cancel_long_running_tasks_on_connection_loss. An outage of the broker would kill all running work.

# --- Fair order --------------------------------------------------------------------------------

# One message per process and no hoard behind it: what was fetched is not overtaken by a more urgent one.
worker_prefetch_multiplier = 1

# --- What is told about it ---------------------------------------------------------------------

# The mirror and Flower live on events; `celery worker` without -E sends none.
worker_send_task_events = True
task_track_started = True
# Puts name, arguments, worker, queue and retries beside the result, for events that were missed.
result_extended = True

# --- Outages -----------------------------------------------------------------------------------

broker_connection_retry_on_startup = True
# The default gives up after 100 tries; a worker outlives any outage.
broker_connection_max_retries = None
# A frozen server that still accepts TCP would block for as long as it is frozen: the default has no timeout.
_SOCKET_SECONDS = 5
_REDIS_OPTIONS = {
    "visibility_timeout": _visibility_seconds,
    # Ten lists for each queue rather than four. The lists of one step are taken in turn (round robin over the queues).
    "priority_steps": list(range(10)),
    "socket_timeout": _SOCKET_SECONDS,
    "socket_connect_timeout": _SOCKET_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
# RabbitMQ: a message counts as sent when the broker has confirmed it.
broker_transport_options = (
    (_REDIS_OPTIONS if _on_redis else {"confirm_publish": True})
    | _broker_options
    | kombu_sentinel_options(_broker, _SOCKET_SECONDS)
)
result_backend_transport_options = _result_options | (
    kombu_sentinel_options(_results, _SOCKET_SECONDS) if _results else {}
)

redis_socket_timeout = redis_socket_connect_timeout = _SOCKET_SECONDS
redis_socket_keepalive = not (_results and _results.partition("://")[0].endswith(("socket", "unix")))
redis_backend_health_check_interval = 10
# A result waits for its store to come back: up to about 15 minutes, then the task counts as failed to store.
result_backend_always_retry = True
result_backend_max_retries = 100
