"""Made-up histories of one task, as they truly went: the world that the facts are told from.

A history is walked along by a small machine: several worker processes, each with its own logical clock and a
wall clock that is off by up to an hour, take the task, retry it, give it back, lose it or end it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from domain.facts import BACKEND, NODE, PUBLISHER, Detail, Fact, worker_event_key
from domain.states import EventType
from tests.facts import TASK_ID, after, ours

RECEIVED, STARTED, RETRIED, REVOKED = EventType.RECEIVED, EventType.STARTED, EventType.RETRIED, EventType.REVOKED
SUCCEEDED, FAILED, REJECTED, LOST = EventType.SUCCEEDED, EventType.FAILED, EventType.REJECTED, EventType.LOST
HOUR = 3600

MAX_RUNS = 6


@dataclass
class Process:
    """A worker process: its name and its two clocks."""

    node: str
    pid: int
    wall_off_by: int
    clock: int

    def tell(self, event_type: EventType, now: float, *, retries: int | None = None, **details: Detail) -> Fact:
        """One event; whatever was heard of others may have moved the logical clock ahead."""
        self.clock += 1
        return Fact(
            TASK_ID,
            event_type,
            after(now + self.wall_off_by),
            worker_event_key(event_type, self.node, pid=self.pid, clock=self.clock),
            self.node,
            self.pid,
            self.clock,
            retries,
            details,
        )


@dataclass
class History:
    """What happened, in the order of cause and effect."""

    facts: list[Fact] = field(default_factory=list)
    now: float = 0

    def add(self, fact: Fact, *, seconds: float = 1) -> None:
        self.facts.append(fact)
        self.now += seconds


def name(process: Process) -> tuple[str, int]:
    """What makes it this process and no other."""
    return process.node, process.pid


def crews(pids: Iterable[int]) -> st.SearchStrategy[list[Process]]:
    """One to three worker processes with such pids."""
    processes = st.builds(
        Process,
        node=st.sampled_from(["celery@one", "celery@two", "tasks@three"]),
        pid=st.sampled_from(list(pids)),
        wall_off_by=st.integers(-HOUR, HOUR),
        clock=st.integers(0, 1000),
    )
    return st.lists(processes, min_size=1, max_size=3, unique_by=name)


GOES_ON = {RETRIED, REJECTED, LOST}
ENDS = (SUCCEEDED, FAILED, REVOKED, RETRIED, REJECTED)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """A life from its submission to an end or to wherever the story stops, with all its facts in causal order."""
    history = History()
    if not _begin(draw, history):
        return history.facts
    crew, retries = draw(crews(range(1, 4))), 0
    for _ in range(draw(st.integers(0, MAX_RUNS))):
        process = draw(st.sampled_from(crew))
        end = _run(draw, history, process=process, retries=retries)
        retries += end is RETRIED
        if end is LOST:
            crew.remove(process)
        if end not in GOES_ON or not crew:
            break
    return history.facts


def _begin(draw: st.DrawFn, history: History) -> bool:
    """Submission and dispatches; whether a worker may have it now."""
    if draw(st.booleans()):
        history.add(ours(EventType.SUBMITTED, at=history.now, source=PUBLISHER))
        return True
    history.add(ours(EventType.SUBMITTED, at=history.now, scheduled=draw(st.booleans())))
    for dispatch_no in range(1, 1 + draw(st.integers(0, 3))):
        if dispatch_no > 1:
            history.add(ours(LOST, at=history.now, dispatch_no=dispatch_no - 1))
        history.add(ours(EventType.DISPATCHED, at=history.now, dispatch_no=dispatch_no))
    dispatched = history.now > 1
    if not dispatched and draw(st.booleans()):
        history.add(ours(EventType.CANCEL_REQUESTED, at=history.now), seconds=0)
        history.add(ours(REVOKED, at=history.now))
    return dispatched


def _run(draw: st.DrawFn, history: History, *, process: Process, retries: int) -> EventType | None:
    """One delivery; how it ended, None if it never did."""
    history.add(process.tell(RECEIVED, history.now, retries=retries))
    if draw(st.integers(0, 4)) == 0:
        end = draw(st.sampled_from([REVOKED, FAILED, REJECTED]))
        history.add(process.tell(end, history.now))
        return end
    history.add(process.tell(STARTED, history.now))
    if draw(st.integers(0, 9)) == 0:
        history.add(ours(EventType.CANCEL_REQUESTED, at=history.now))
    if draw(st.integers(0, 5)) == 0:
        return _die(draw, history, process=process, retries=retries)
    end = draw(st.sampled_from(ENDS))
    history.add(process.tell(end, history.now, runtime=draw(st.floats(0, 10))))
    if end is FAILED and draw(st.booleans()):
        # A hard time limit fails a task twice; one rejected for good is told as failed and rejected.
        history.add(process.tell(draw(st.sampled_from([FAILED, REJECTED])), history.now))
    return end


def _die(draw: st.DrawFn, history: History, *, process: Process, retries: int) -> EventType | None:
    """The process is gone; whether that was noticed, and whether it took the message with it."""
    if not draw(st.booleans()):
        return None
    details: dict[str, Detail] = {"final": True, "exception": "WorkerLost: gone"} if draw(st.booleans()) else {}
    key = f"{LOST}:{process.node}:{process.pid}:{process.clock}"
    history.add(
        Fact(TASK_ID, LOST, after(history.now), key, process.node, process.pid, retries=retries, details=details)
    )
    return None if details else LOST


@st.composite
def messy_histories(draw: st.DrawFn) -> list[Fact]:
    """What may be heard of several deliveries at once: facts missed, late, told by the backend, in no order at all."""
    facts = draw(histories())
    for process in draw(crews(range(4, 7))):
        # The same task with another process at the same time: a publish in doubt, or a message delivered again.
        history = History(now=draw(st.integers(0, 20)))
        _run(draw, history, process=process, retries=draw(st.integers(0, 3)))
        facts = facts + history.facts
    facts = facts + draw(st.lists(backend_facts(), max_size=2, unique_by=lambda fact: fact.key))
    facts = facts + draw(st.lists(node_facts(), max_size=2, unique_by=lambda fact: fact.key))
    return draw(st.permutations([fact for fact in facts if draw(st.integers(0, 3))]))


@st.composite
def backend_facts(draw: st.DrawFn) -> Fact:
    """An end as the result backend tells it: with the attempt or without, with the node or without."""
    event_type = draw(st.sampled_from([SUCCEEDED, FAILED]))
    retries = draw(st.none() | st.integers(0, 3))
    return Fact(
        TASK_ID,
        event_type,
        after(draw(st.integers(-HOUR, HOUR))),
        f"backend:{event_type}:{retries}",
        draw(st.sampled_from([None, "celery@one", "celery@gone"])),
        retries=retries,
        details={"source": BACKEND},
    )


@st.composite
def node_facts(draw: st.DrawFn) -> Fact:
    """What a node answers when it is asked: that it runs the task, or knows nothing of one that it had."""
    event_type = draw(st.sampled_from([STARTED, FAILED, REVOKED]))
    node = draw(st.sampled_from(["celery@one", "celery@gone"]))
    at = after(draw(st.integers(-HOUR, HOUR)))
    retries = None if event_type is STARTED else draw(st.integers(0, 3))
    key = f"node:{event_type}:{node}:{retries}"
    return Fact(TASK_ID, event_type, at, key, node, retries=retries, details={"source": NODE})


DAY = 86_400


@st.composite
def uses(draw: st.DrawFn) -> list[list[Fact]]:
    """The lives of several tasks under one id, a day apart; each has ended but perhaps the last.

    The worker may have been restarted between them, and then counts its clock from anywhere.
    """
    count = draw(st.integers(2, 4))
    process = Process("celery@one", 1, 0, 0)
    lives: list[list[Fact]] = []
    for nth in range(count):
        if draw(st.booleans()):
            process = Process("celery@one", process.pid + 1, 0, draw(st.integers(0, 50)))
        history = History(now=nth * DAY)
        retries = draw(st.integers(0, 2))
        for retry in range(retries):
            _tell_run(history, process, retries=retry, end=RETRIED)
        ended = nth < count - 1 or draw(st.booleans())
        _tell_run(
            history,
            process,
            retries=retries,
            end=draw(st.sampled_from([SUCCEEDED, FAILED, REVOKED])) if ended else None,
        )
        lives.append(history.facts)
    return lives


def _tell_run(history: History, process: Process, *, retries: int, end: EventType | None, **details: Detail) -> None:
    history.add(process.tell(RECEIVED, history.now, retries=retries, **details))
    history.add(process.tell(STARTED, history.now))
    if end is not None:
        history.add(process.tell(end, history.now, exception=f"at {history.now}"))


@st.composite
def replacements(draw: st.DrawFn) -> list[Fact]:
    """A task that replaced itself, and so did its successors; all of it heard. `parent_id` tells them apart."""
    history = History()
    processes = [Process(node, 1, 0, draw(st.integers(0, 9))) for node in ("celery@one", "celery@two")]
    parents: list[Detail] = [draw(st.sampled_from([None, "a workflow"]))]
    # By one task: the id is its own parent. By a chain or a group: its parent is the last of those before it.
    parents += [draw(st.sampled_from([TASK_ID, f"link-{nth}"])) for nth in range(draw(st.integers(1, 4)))]
    for nth, parent in enumerate(parents):
        is_last = nth == len(parents) - 1
        end = draw(st.sampled_from([SUCCEEDED, FAILED, None])) if is_last else None
        details = {"parent_id": parent} if parent else {}
        _tell_run(history, draw(st.sampled_from(processes)), retries=0, end=end, **details)
    return history.facts
