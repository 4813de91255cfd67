"""Work that goes on beside an attack, and the processes that it is aimed at.

A probe is a task submitted each second as any client would, and its lateness the time until the API shows it completed.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import psutil

from bench.memory import kind_of

PROBE_SECONDS = 1.0
LOOK_SECONDS = 0.1
SAMPLE_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
"""How long a probe is waited for."""
MOST_URGENT = 10
"""The priority of probes: they are not to wait behind what an attack has submitted."""

Sizes = dict[str, float]
"""MiB of RSS by kind of process, the largest of each kind."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An accepted probe, with its times in seconds."""

    late: float
    accepted_after: float
    slowest_look: float
    """The longest answer to the question whether it has completed."""


@dataclass(slots=True)
class Probes:
    """What the probes met, in seconds."""

    late: list[float] = field(default_factory=list)
    accepted: dict[str, "Probe"] = field(default_factory=dict)
    """The probes that were accepted, by task id."""
    live: list[float] = field(default_factory=list)
    """How many seconds `/health/live` took."""
    failures: list[str] = field(default_factory=list)


class Prober:
    """A thread that probes until it is left; leaving waits for the last probes."""

    def __init__(self, api_url: str, *, patience: float = PATIENCE_SECONDS) -> None:
        self.found = Probes()
        self._patience = patience
        self._api_url = api_url
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="prober")

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=f"{self._api_url}/api/v1", timeout=self._patience) as client:
            probing: set[asyncio.Task[None]] = set()
            while not self._stopping.is_set() or not probing:
                probing |= {asyncio.create_task(self._probe(client)), asyncio.create_task(self._look(client))}
                probing = {task for task in probing if not task.done()}
                await asyncio.sleep(PROBE_SECONDS)
            await asyncio.gather(*probing)

    async def _probe(self, client: httpx.AsyncClient) -> None:
        started, accepted_after, task_id, slowest = time.monotonic(), 0.0, None, 0.0
        body = {"task_name": "celeriac.echo", "task_args": ["probe"], "priority": MOST_URGENT}
        try:
            answer = await client.post("/tasks", json=body)
            task_id = answer.raise_for_status().json()["task_id"]
            accepted_after = time.monotonic() - started
            while True:
                asked = time.monotonic()
                status = (await client.get(f"/tasks/{task_id}")).raise_for_status().json()["status"]
                slowest = max(slowest, time.monotonic() - asked)
                if status == "COMPLETED":
                    break
                if time.monotonic() - started > self._patience:
                    raise TimeoutError(f"a probe was {status} after {self._patience:g} s")
                await asyncio.sleep(LOOK_SECONDS)
        except (httpx.HTTPError, TimeoutError) as error:
            self.found.failures.append(f"{type(error).__name__}: {error}"[:300])
        self.found.late.append(time.monotonic() - started)
        if task_id is not None:
            self.found.accepted[task_id] = Probe(self.found.late[-1], accepted_after, slowest)

    async def _look(self, client: httpx.AsyncClient) -> None:
        started = time.monotonic()
        try:
            (await client.get("/health/live")).raise_for_status()
        except httpx.HTTPError as error:
            self.found.failures.append(f"/health/live: {type(error).__name__}: {error}"[:300])
        self.found.live.append(time.monotonic() - started)


@dataclass(slots=True)
class WatchedProcesses:
    """The processes of one `celeriac up` over some time."""

    start: Sizes = field(default_factory=dict)
    warm: Sizes = field(default_factory=dict)
    """The sizes when `mark_warm` was called."""
    end: Sizes = field(default_factory=dict)
    most: Sizes = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    """Kinds of children of `up` of which one has gone."""


class Watch:
    """Samples every half second until it is left."""

    def __init__(self, up_pid: int) -> None:
        self.found = WatchedProcesses()
        self._up = psutil.Process(up_pid)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="watch")

    def mark_warm(self) -> None:
        """Note the sizes: from here on memory is to stay as it is."""
        self.found.warm = sizes(self._up)

    def __enter__(self) -> "Watch":
        self.found.start = sizes(self._up)
        self._children = children(self._up)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.found.end = sizes(self._up)
        left = children(self._up)
        self.found.restarted = sorted(kind for each, kind in self._children.items() if each not in left)

    def _sample(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            for kind, size in sizes(self._up).items():
                self.found.most[kind] = max(size, self.found.most.get(kind, 0.0))


@contextmanager
def beside(api_url: str, up_pid: int, *, patience: float = PATIENCE_SECONDS) -> Iterator[tuple[Watch, Prober]]:
    """Watch the processes and probe the API for the block."""
    with Watch(up_pid) as watch, Prober(api_url, patience=patience) as prober:
        yield watch, prober


def sizes(up: psutil.Process) -> Sizes:
    """Return the sizes of everything that it has started."""
    found: Sizes = {}
    for process in up.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            kind, size = kind_of(process), process.memory_info().rss / 2**20
            found[kind] = max(size, found.get(kind, 0.0))
    return found


def children(up: psutil.Process) -> dict[psutil.Process, str]:
    """Return those that `up` keeps alive, by pid and time of their start, with their kinds."""
    found: dict[psutil.Process, str] = {}
    for process in up.children():
        with suppress(psutil.NoSuchProcess):
            found[process] = kind_of(process)
    return found
