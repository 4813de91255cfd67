"""One statement that tells for many loops whether there is anything for them to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from store.look import text_of
from store.queries import audit_seals, outbox, queues, rollups, search
from store.queries.lost import dead_workers
from store.queries.notifications import messages
from store.queries.tasks import documents
from store.queries.webhooks import fanout, sending
from store.queries.workers import consumers, descriptions, signs, strangers, wishes
from store.queries.workflows import progress


class Waiting(StrEnum):
    """What may be waiting for a loop."""

    DUE = "due"
    REFUSED_DUE = "refused_due"
    WORKFLOWS = "workflows"
    CANCELS = "cancels"
    ORPHANS = "orphans"
    UNSERVED_QUEUES = "unserved_queues"
    WORDS = "words"
    COUNTS = "counts"
    UNDESCRIBED_NODES = "undescribed_nodes"
    UNASKED_OF_EVENTS = "unasked_of_events"
    DIVERGED_WORKERS = "diverged_workers"
    UNSEALED_ROWS = "unsealed_rows"
    ALERTS_TO_TELL = "alerts_to_tell"
    FOLLOWERS = "followers"
    DELIVERIES = "deliveries"


_CONDITIONS: dict[Waiting, ColumnElement[bool]] = {
    Waiting.DUE: outbox.any_calm_due,
    Waiting.REFUSED_DUE: outbox.any_refused_due,
    Waiting.WORKFLOWS: progress.any_woken,
    Waiting.CANCELS: documents.any_open_cancel,
    Waiting.ORPHANS: dead_workers.any_orphan,
    Waiting.UNSERVED_QUEUES: queues.any_unserved,
    Waiting.WORDS: search.any_waiting,
    Waiting.COUNTS: rollups.any_delta,
    Waiting.UNDESCRIBED_NODES: or_(descriptions.any_undescribed, strangers.any_superfluous),
    Waiting.UNASKED_OF_EVENTS: signs.any_unasked_of_events,
    Waiting.DIVERGED_WORKERS: or_(wishes.any_diverged, wishes.any_drain),
    Waiting.UNSEALED_ROWS: audit_seals.any_unsealed,
    Waiting.ALERTS_TO_TELL: messages.any_to_tell,
    Waiting.FOLLOWERS: fanout.any_follower,
    Waiting.DELIVERIES: sending.any_due,
}


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look has found."""

    waiting: frozenset[Waiting]
    consumers_told: Sequence[Any]
    """How many nodes are online, and when one last described itself: where it differs, `get_consumers` may."""


def glance_statement(*, max_age: timedelta, watched_age: timedelta, most_strangers: int) -> str:
    """Return the statement whose row `read_glance` reads; the ages and the count are those of questions about nodes.

    Each condition is that of the query by which its loop finds what to do, and uses the same indexes.
    """
    statement = select(*_CONDITIONS.values(), *consumers.last_told).params(
        max_age=max_age, watched_age=watched_age, remaining=most_strangers
    )
    return text_of(statement)


def read_glance(row: Sequence[Any]) -> Glance:
    """Return what was found, in the snapshot of one statement."""
    found = zip(_CONDITIONS, row, strict=False)
    return Glance(frozenset(name for name, is_waiting in found if is_waiting), tuple(row[len(_CONDITIONS) :]))
