"""Many fuzzed requests over several connections at once, and what came of them."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

import httpx

from bench.fuzzing.answers import complaints, is_outage
from bench.fuzzing.bodies import BODIES
from bench.fuzzing.heads import HEADS
from bench.fuzzing.operations import WORKER, KnownIds, operations_of
from bench.fuzzing.requests import Expected, FuzzedRequest, Generator, Material, drawn
from bench.fuzzing.wire import Answer, Connection

GENERATORS: Mapping[str, Generator] = {**HEADS, **BODIES}
WITHIN_SECONDS: Mapping[Expected, float] = {Expected.NOTHING: 0.2, Expected.ANYTHING: 2.0}
"""How long a connection stays open: what is no whole request need not be answered at all."""
SLOWEST = 10
SHOWN_HEAD = 200
MOST_COMPLAINTS = 50


@dataclass(frozen=True, slots=True)
class Shot:
    """A request, and how long its answer took."""

    generator: str
    route: str
    seconds: float
    status: int | None

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s: {self.generator}, {self.route}, {self.status}"


@dataclass(slots=True)
class Tally:
    """What came of many requests."""

    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    """`hung up` and `unfinished` beside the numbers."""
    outages: int = 0
    """How many documented 503s came."""
    server_errors: int = 0
    complaints: Counter[str] = field(default_factory=Counter)
    """What is wrong, by generator, so that a thousand of one kind are one line."""
    slowest: list[Shot] = field(default_factory=list)

    def add(self, generator: str, request: FuzzedRequest, *, answer: Answer) -> None:
        """Count an answer, and what is wrong with it."""
        self.sent += 1
        self.statuses[_word(request, answer)] += 1
        self.outages += is_outage(answer)
        self.server_errors += bool(answer.status and answer.status >= 500 and not is_outage(answer))
        route = request.operation.name if request.operation else request.method
        for complaint in complaints(request, answer):
            line = f"{generator}, {route}: {complaint}"
            if len(self.complaints) < MOST_COMPLAINTS or line in self.complaints:
                self.complaints[line] += 1
        if not answer.timed_out or request.expected not in WITHIN_SECONDS:
            shot = Shot(generator, route, answer.seconds, answer.status)
            self.slowest = sorted([*self.slowest, shot], key=lambda one: -one.seconds)[:SLOWEST]


def material_of(api_url: str, random: Random) -> Material:
    """Read what the API says of itself, and make what paths shall lead to."""
    with httpx.Client(base_url=f"{api_url}/api/v1", timeout=30) as client:
        document = client.get(f"{api_url}/openapi.json").raise_for_status().json()
        bodies = [{"task_name": "celeriac.echo", "task_args": [number]} for number in range(20)]
        submitted = client.post("/tasks/batch", json={"tasks": bodies}).raise_for_status().json()
        workflow = {"name": "fuzz", "steps": [{"id": "a", "task_name": "celeriac.echo"}]}
        workflow_id = client.post("/workflows", json=workflow).raise_for_status().json()["workflow_id"]
        client.post("/workers", params={"hostname": WORKER})  # there already the second time
    known = KnownIds(task_ids=submitted["task_ids"], workflow_ids=[workflow_id])
    return Material(random, operations_of(document), known, urlsplit(api_url).netloc)


def mixed(material: Material, count: int) -> Iterator[tuple[str, FuzzedRequest]]:
    """Yield so many requests, each of a generator that is drawn by its weight."""
    for _ in range(count):
        name = drawn(GENERATORS, material.random)
        yield name, GENERATORS[name].make(material)


def each(names: Sequence[str], material: Material, *, count: int) -> Iterator[tuple[str, FuzzedRequest]]:
    """Yield so many requests of each of these generators, in no order."""
    order = [name for name in names for _ in range(count)]
    material.random.shuffle(order)
    for name in order:
        yield name, GENERATORS[name].make(material)


async def fire(
    api_url: str,
    requests: Iterator[tuple[str, FuzzedRequest]],
    *,
    connections: int,
    within: float,
    into: Tally | None = None,
) -> Tally:
    """Send all of them, each as soon as one of the connections is free; `within`: seconds for each answer.

    `into`: a tally to go on with.
    """
    address = urlsplit(api_url)
    tally = Tally() if into is None else into

    async def send(connection: Connection) -> None:
        for generator, request in requests:
            answer = await connection.ask(
                request.raw,
                within=WITHIN_SECONDS.get(request.expected, within),
                alone=request.alone,
                head_only=request.head_only,
            )
            tally.add(generator, request, answer=answer)
        await connection.close()

    opened = [Connection(address.hostname or "", address.port or 80) for _ in range(connections)]
    await asyncio.gather(*(send(connection) for connection in opened))
    return tally


def seed_for(seed: int, name: str) -> Random:
    """Return chance of its own for each part, so that one can be run again alone."""
    return Random(hashlib.sha256(f"{seed} {name}".encode()).digest())


def names_of(heavy: bool) -> Sequence[str]:
    """Return the generators whose requests are as large as they may be, or all the others."""
    return [name for name, generator in GENERATORS.items() if generator.is_heavy == heavy]


def _word(request: FuzzedRequest, answer: Answer) -> str:
    if answer.status is not None:
        return str(answer.status)
    if not answer.timed_out:
        return "hung up"
    return "no answer in time" if request.expected not in WITHIN_SECONDS else "unfinished"
