"""A gate that stands in for Redis, and the part of a request that a node looks at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celeriac_worker.gate import Admission, GateUnreachableError
from celeriac_worker.node import Node

RUN = "celeriac:run:t:0:1"


@dataclass(eq=False)
class Asking:
    """The part of a request that a node looks at."""

    id: str = "t"
    run_key: str | None = RUN
    admitted: bool = False
    accepted: bool = False
    was_put_back: bool = False
    was_cancelled: bool = False
    found_silence: bool = False
    asked_at: float = 0.0


class ToldGate:
    """Answers what it was told to, and keeps what it was asked; `away` is a Redis that does not answer."""

    def __init__(self) -> None:
        self.admission = Admission.GO
        self.paused = False
        self.away = False
        self.meanwhile: Callable[[], object] = lambda: None
        """Done while Redis is asked."""
        self.asked: list[tuple[Any, ...]] = []

    def may_start(self, task_id: str, run_key: str | None, *, silence_is_death: bool = False) -> Admission:
        self._ask("may_start", task_id, run_key, silence_is_death)
        return self.admission

    def finish(self, run_keys: Sequence[str]) -> None:
        self._ask("finish", *run_keys)

    def release(self, run_keys: Sequence[str]) -> None:
        self._ask("release", *sorted(run_keys))

    def show_life(self) -> bool:
        self._ask("show_life")
        return self.paused

    def is_paused(self) -> bool:
        self._ask("is_paused")
        return self.paused

    def set_paused(self, paused: bool) -> None:
        self._ask("set_paused", paused)
        self.paused = paused

    def say_goodbye(self, *, forget_pause: bool) -> None:
        self._ask("say_goodbye", forget_pause)

    def close(self) -> None:
        self.asked.append(("close",))

    def told(self, verb: str) -> list[tuple[Any, ...]]:
        """What of this kind was said, without what names nothing."""
        return [tuple(said) for name, *said in self.asked if name == verb and said]

    def _ask(self, *question: Any) -> None:
        self.meanwhile()
        if self.away:
            raise GateUnreachableError("ConnectionError")
        self.asked.append(question)


def node_with(gate: ToldGate, *, gates_before_pool: bool = True, on_change: Callable[[], object] = print) -> Node:
    """A node that asks this gate."""
    node = Node(
        "celery@one", "redis://:s3cret@nowhere.invalid", gates_before_pool=gates_before_pool, on_change=on_change
    )
    node.gate.close()
    node.gate = gate  # type: ignore[assignment]
    return node
