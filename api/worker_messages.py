"""What an operator should know of a worker beyond its fields: how far a wish is fulfilled, what stands in its way."""

from collections.abc import Iterator

from domain.worker_control import PLUGIN_VERSION, PROTOCOL, Capability, fetches_as_desired, is_sized_as_desired
from store.queries.workers import WorkerRow


def message_of(worker: WorkerRow) -> str | None:
    """A few sentences, or None where there is nothing to say."""
    return " ".join(_sentences(worker)) or None


def _sentences(worker: WorkerRow) -> Iterator[str]:
    if worker.plugin is not None:
        yield from _plugin(worker)
    if worker.online:
        yield from _fetching(worker)
        yield from _size(worker)
    elif worker.drain_finished_at is not None:
        yield "It was drained and has exited; its next start is an ordinary one."
    elif worker.is_draining and worker.has_left:
        yield "It has said goodbye and is about to exit."
    elif worker.is_draining:
        yield "It went away without a goodbye while it was drained; the drain goes on if it comes back."
    elif not worker.converged:
        yield "It is offline: what is wanted of it is stored, and applied when it starts."


def _plugin(worker: WorkerRow) -> Iterator[str]:
    observed = worker.observed
    if worker.protocol != PROTOCOL:
        what = "what both know holds" if observed.announced else "it is treated as a worker without the plugin"
        yield f"Its plugin {worker.plugin} speaks protocol {worker.protocol}, this Celeriac {PROTOCOL}: {what}."
    elif worker.plugin != PLUGIN_VERSION:
        yield f"Its plugin is {worker.plugin}, this Celeriac brings {PLUGIN_VERSION}; both speak protocol {PROTOCOL}."


def _fetching(worker: WorkerRow) -> Iterator[str]:
    desired, observed = worker.desired, worker.observed
    if desired.held and Capability.PAUSE not in observed.capabilities:
        yield "It cannot be paused exactly: it stops fetching, and what it has fetched already still runs."
    confirmed = worker.is_known and fetches_as_desired(desired, observed, queues=worker.queues or ())
    if (desired.held or desired.paused is False) and not confirmed:
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
