"""What an operator should know of a worker beyond its fields: how far a wish is fulfilled, what stands in its way."""

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.workers.control import PLUGIN_VERSION, PROTOCOL, Capability, fetches_as_desired, is_sized_as_desired
from domain.workers.status import is_shared
from store.queries.workers.nodes import DEAF, WorkerRow

PAUSED_START = "once it is back, it is paused until it is resumed"
FORMS = {"application/x-python-serialize": "pickle", "application/x-yaml": "yaml", "application/x-msgpack": "msgpack"}


def message_of(worker: WorkerRow) -> str | None:
    """Return a few sentences, or None where there is nothing to say."""
    return " ".join(_sentences(worker)) or None


def _sentences(worker: WorkerRow) -> Iterator[str]:
    if worker.plugin is not None:
        yield from _plugin(worker)
    if is_shared(other_life_at=worker.other_life_at, online_at=worker.online_at, now=datetime.now(UTC)):
        yield (
            "Several workers run under this name: orders and answers of one are taken for the other's, and what is "
            "lost with one is not rescued. Give each a name of its own (`-n name@%h`)."
        )
    if worker.online:
        yield from _what_it_keeps_to_itself(worker)
        yield from _fetching(worker)
        yield from _size(worker)
    elif worker.drain_started_at is not None and worker.drain_finished_at is not None:
        next_start = PAUSED_START if worker.want_paused else "its next start is an ordinary one"
        yield f"It was drained and has exited; {next_start}."
    elif worker.is_draining and worker.has_left:
        yield "It has said goodbye and is about to exit."
    elif worker.is_draining:
        yield "It went away without a goodbye while it was drained; the drain goes on if it comes back."
    elif worker.want_paused:
        yield f"It is offline: {PAUSED_START}."
    elif not worker.converged:
        yield "It is offline: what is wanted of it is stored, and applied when it starts."


def _plugin(worker: WorkerRow) -> Iterator[str]:
    observed = worker.observed
    if worker.protocol != PROTOCOL:
        what = "what both know holds" if observed.announced else "it is treated as a worker without the plugin"
        yield f"Its plugin {worker.plugin} speaks protocol {worker.protocol}, this Celeriac {PROTOCOL}: {what}."
    elif worker.plugin != PLUGIN_VERSION:
        yield f"Its plugin is {worker.plugin}, this Celeriac brings {PLUGIN_VERSION}; both speak protocol {PROTOCOL}."


def _what_it_keeps_to_itself(worker: WorkerRow) -> Iterator[str]:
    if worker.unreadable is not None:
        yield (
            f"It answers in {_form(worker.unreadable)}, which Celeriac does not read: it cannot be asked what it does, "
            "and whether it obeyed is not known."
        )
    elif worker.unanswered >= DEAF and worker.described_at is None:
        yield (
            "It has never answered a question: its remote control is switched off, or, on RabbitMQ, its app accepts "
            "another form than that of submissions (CELERIAC_TASK_SERIALIZER). "
            "It cannot be paused, drained or resized, and is asked ever more rarely."
        )
    if worker.events is False:
        yield (
            "It sends no events of its tasks, which are seen late or not at all: start it with -E, "
            "or set worker_send_task_events."
        )


def _form(content_type: str) -> str:
    return FORMS.get(content_type, content_type)


def _fetching(worker: WorkerRow) -> Iterator[str]:
    desired, observed = worker.desired, worker.observed
    if desired.stands_still and Capability.PAUSE not in observed.capabilities:
        yield "It cannot be paused exactly: it stops fetching, and what it has fetched already still runs."
        if worker.is_paused and worker.consuming:
            yield "It goes on hearing its broadcast queues."
    confirmed = worker.is_known and fetches_as_desired(desired, observed, queues=worker.queues or ())
    if (desired.stands_still or desired.paused is False) and not confirmed:
        yield "It has not confirmed the order yet, which is repeated until it does; a busy solo pool answers no one."
    if worker.drain_shutdown_at is not None and desired.draining:
        yield "It has been told to exit."


def _size(worker: WorkerRow) -> Iterator[str]:
    desired, observed = worker.desired, worker.observed
    if is_sized_as_desired(desired, observed):
        return
    if not observed.is_resizable and observed.pool is not None:
        yield f"It cannot be resized while it runs (pool {observed.pool}): it keeps {observed.concurrency}."
    elif worker.resize_target == desired.capacity:
        yield f"It has been told to take on a capacity of {desired.capacity}; prefork shows it within 6 s."
    else:
        yield (
            f"It still runs up to {observed.concurrency} tasks at once: a busy process is not ended; "
            "it is tried again until the size is right."
        )
