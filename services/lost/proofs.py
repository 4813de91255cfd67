"""Asking everyone who may have a message, and keeping what they say.

What a doubt is stands in `domain/proofs.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.facts import NODE, Fact
from domain.proofs import Hearing, ServerLife, Suspect, doubt_of_absence, doubt_of_resend, is_restarted
from domain.states import EventType, Phase
from gateway.control import HeldTask, Said
from gateway.ports import AsksNodes, KnowsConnections
from services.record import News, record
from store.queries import gaps
from store.queries.lost import vanished_tasks
from store.queries.workers import consumers

ACTIVE = "active"
UNHEARD = (Phase.DISPATCHING, Phase.QUEUED)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the suspects; each stands in exactly one of the three."""

    holders: Mapping[str, HeldTask] = field(default_factory=dict)
    """The node that has a suspect."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Why nothing is proven of a suspect."""
    proofs: Mapping[str, str] = field(default_factory=dict)
    """How it is known of a suspect that nobody has it and nobody ran it."""
    replies: Mapping[str, int] = field(default_factory=dict)
    """How many processes have answered under each node's name."""


class Proofs:
    """Asks one fleet, any number of times."""

    def __init__(self, engine: AsyncEngine, control: AsksNodes, *, presence: KnowsConnections, redis: Redis) -> None:
        self._engine = engine
        self._control = control
        self._presence = presence
        self._redis = redis

    async def judge(
        self, suspects: Sequence[Suspect], *, life: ServerLife, keys: Mapping[str, Sequence[str]], resends: bool
    ) -> Judged:
        """Say who has these, and what is proven of the others. Raises BrokerUnavailable, and what Redis' client raises.

        `keys` are those under which our plugin notes, by task, that it has begun to run it. `resends`: whether those
        that are proven to be lost would be sent again; else their messages are there, and the question is whose.
        """
        begun = await list_started(self._redis, keys)
        said = await self._control.ask_everyone({suspect.task_id for suspect in suspects})
        answers = {**begun, **said.holders}
        async with self._engine.connect() as connection:
            hearing = await _hear(connection, said, listeners=await self._presence.count_listeners())
        doubts: dict[str, str] = {}
        proofs: dict[str, str] = {}
        for suspect in suspects:
            if suspect.task_id in answers:
                continue
            restarted = is_restarted(suspect, life)
            doubt = doubt_of_resend(suspect, hearing.consumers, restarted=restarted) if resends else None
            doubt = doubt or doubt_of_absence(suspect, hearing, restarted=restarted)
            if doubt:
                doubts[suspect.task_id] = doubt
            else:
                proofs[suspect.task_id] = "the broker was restarted" if restarted else "every worker was asked"
        suspect_ids = {suspect.task_id for suspect in suspects}
        holders = {task_id: who for task_id, who in answers.items() if task_id in suspect_ids}
        return Judged(holders, doubts, proofs, said.replies)


async def _hear(connection: AsyncConnection, said: Said, *, listeners: int | None) -> Hearing:
    return Hearing(
        consumers=await consumers.get_consumers(connection),
        replies=said.replies,
        listeners=listeners,
        deaf_until=await gaps.get_last_gap_end(connection),
        stranger_at=await consumers.get_last_stranger(connection),
    )


async def list_started(redis: Redis, keys: Mapping[str, Sequence[str]]) -> dict[str, HeldTask]:
    """Map each task to the node whose plugin noted under one of these keys that it began to run it."""
    pairs = [(task_id, key) for task_id, of_task in keys.items() for key in of_task]
    values = cast(list[bytes | None], await redis.mget([key for _, key in pairs]) if pairs else [])
    starts = zip(pairs, values, strict=True)
    return {
        task_id: HeldTask(value.decode("utf-8", "replace").partition("|")[0], ACTIVE)
        for (task_id, _), value in starts
        if value
    }


async def record_held(connection: AsyncConnection, holders: Mapping[str, HeldTask]) -> frozenset[str]:
    """Remember what workers say they have of tasks that nobody was heard to receive; a word is a fact."""
    phases = await vanished_tasks.get_phases(connection, holders.keys())
    unheard = {task_id: who for task_id, who in holders.items() if phases.get(task_id) in UNHEARD}
    await record(connection, News(list(_facts_of_holders(unheard))))
    return frozenset(unheard)


def _facts_of_holders(holders: Mapping[str, HeldTask]) -> Iterable[Fact]:
    now = datetime.now(UTC)
    for task_id, who in holders.items():
        event_type = EventType.STARTED if who.phase == ACTIVE else EventType.RECEIVED
        key = f"{NODE}:{event_type}:{who.node}:None"
        yield Fact(task_id, event_type, now, key, node=who.node, details={"source": NODE})
