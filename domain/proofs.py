"""When a message that is nowhere to be found is proven to be lost, so that its task may be sent again.

A task that ran to its end without a word looks exactly like one that the broker lost: in no queue, with no worker, no
result. So silence proves nothing. Every process that may have taken the message must be known, must have answered just
now that it does not have the task, and be one that would have told of a run. Whatever stands against that is a doubt,
and is said in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.consumers import Consumer, Consumers

MOST_DISPATCHES = 2
"""A task that is lost twice from a broker that lost nothing is one that its workers throw away."""
MOST_DISPATCHES_AT_RESTARTS = 5
UPTIME_MARGIN = timedelta(seconds=2)
"""A server tells how long it lives in whole seconds."""

NOBODY = "no worker that takes from its queue is online and known"
NOT_ALL_ANSWER = "{listeners} processes listen on the broker and {answers} of them answered whether they have it"
NOT_KNOWN = "{node} may have taken it and has not said what it is"
NO_ANSWER = "{node} takes from its queue and did not answer whether it has it"
TWINS = "several processes answer to the name {node}"
HIDDEN = "{node} was there since and has not said where on the broker it keeps messages"
MUTE = "{node} takes from its queue and tells nothing of what it runs (no plugin of ours)"
DEAF = "events of workers were missed since it was sent"
UNBROKEN = "no known worker of its queue has ended or lost its connection since"
HAS_RUN = "something is stored in the result backend that cannot be read, so it has run"
SENT_OFTEN = "it was sent {times} times and vanished each time"
UNPROVEN = (
    "Nothing was heard of this task since it was sent, and it is in no queue: it may have run without a word, or be "
    "lost. It is not sent again by itself: {doubt}. If it did not run, replay it."
)

LEFT_ELSEWHERE = (
    "The worker that held this task is gone, and its message is in none of the places that are known: it was not "
    "acknowledged, so the broker may still hand it out again. If it does not, replay it."
)


@dataclass(frozen=True, slots=True)
class ServerLife:
    """A broker's life; it changes when the server is started again, or another takes its place."""

    life: str | None
    """The id of this life; None where it is not told, as `began_at`."""
    began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A message that is looked for."""

    task_id: str
    queue_name: str | None
    since: datetime
    """When it was sent, or fetched by nobody knows whom."""
    life: str | None = None
    """The life of the server that took it, where that was told."""
    dispatches: int = 1
    """How often its task was sent."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What everyone said who was asked."""

    consumers: Consumers
    replies: Mapping[str, int]
    """How many processes answered under each name."""
    listeners: int | None
    """How many processes heard the question; None where that is not known."""
    deaf_until: datetime | None
    """When events of workers were last missed."""
    stranger_at: datetime | None
    """When a node was last heard that is gone and never said what it is."""


def is_restarted(suspect: Suspect, now: ServerLife) -> bool:
    """Whether the server that took the message is gone, and perhaps the message with it."""
    if suspect.life is not None and now.life is not None:
        return suspect.life != now.life
    return now.began_at is not None and suspect.since < now.began_at - UPTIME_MARGIN


def doubt_of_resend(suspect: Suspect, consumers: Consumers, *, restarted: bool) -> str | None:
    """What stands against sending it again, however surely nobody has it; None where nothing does."""
    most = MOST_DISPATCHES_AT_RESTARTS if restarted else MOST_DISPATCHES
    if suspect.dispatches >= most:
        return SENT_OFTEN.format(times=suspect.dispatches)
    hider = consumers.hider_since(suspect.since)
    return HIDDEN.format(node=hider.node) if hider else None


def doubt_of_absence(suspect: Suspect, hearing: Hearing, *, restarted: bool = False) -> str | None:
    """Why somebody may have the message, or have run its task; None where that is proven not to be so.

    `restarted`: the broker has begun a new life since. Then events may be missing, and the message is.
    """
    answers = sum(hearing.replies.values())
    if hearing.listeners is None or hearing.listeners != answers:
        return NOT_ALL_ANSWER.format(listeners=hearing.listeners or "Unknown", answers=answers)
    if hearing.stranger_at is not None and hearing.stranger_at >= suspect.since:
        return NOT_KNOWN.format(node="A worker that is gone")
    consumer_by_node = {consumer.node: consumer for consumer in hearing.consumers.nodes}
    for node, replies in sorted(hearing.replies.items()):
        if node not in consumer_by_node:
            return NOT_KNOWN.format(node=node)
        if replies > 1:
            return TWINS.format(node=node)
    return _doubt_of_consumers(suspect, hearing, restarted=restarted)


def _concerned(suspect: Suspect, hearing: Hearing) -> list[Consumer]:
    """Return those who may have had the message since it was sent or fetched."""
    consumers = hearing.consumers.of(suspect.queue_name or "")
    return [node for node in consumers if node.online or node.heard_at is None or node.heard_at >= suspect.since]


def _doubt_of_consumers(suspect: Suspect, hearing: Hearing, *, restarted: bool) -> str | None:
    concerned = _concerned(suspect, hearing)
    if not any(node.online and node.queues is not None for node in concerned):
        return NOBODY
    for node in concerned:
        if node.queues is None:
            return NOT_KNOWN.format(node=node.node)
        if node.online and node.node not in hearing.replies:
            return NO_ANSWER.format(node=node.node)
        if not node.tells_of_runs:
            return MUTE.format(node=node.node)
        is_deaf = hearing.deaf_until is not None and hearing.deaf_until >= suspect.since
        if is_deaf and not (restarted or node.streamed):
            return DEAF
    # Nothing vanishes between a broker and a worker that are both well: else somebody whom we do not see has it.
    return None if restarted or any(_broke(node, suspect.since) for node in concerned) else UNBROKEN


def _broke(node: Consumer, since: datetime) -> bool:
    """Whether it ended or began to listen anew since; a message that it was just being given is then nobody's."""
    return not node.online or (node.online_at is not None and node.online_at >= since)
