"""Which parts do not answer, and what cannot be known meanwhile. Pure; the words are those of `logic/outage.ts`."""

from collections.abc import Container, Mapping, Sequence

from cli.top.situation import Situation, seconds_since
from domain.sentences import about

WITHOUT = {
    "broker": "Submissions are accepted and wait. Nothing is lost.",
    "mirror": "Tasks run, and what is shown is not updated.",
    "redis": "What is shown comes late.",
    "result_backend": "Results come late.",
    "loops": "Nothing is handed to the broker.",
    "workers": "Nothing starts. What is submitted waits.",
}
"""What it means that a part is down, in the order in which they are told: the first is most likely the cause."""

Down = Mapping[str, str | None]
"""The parts that do not answer, with since when, where that is known."""


def is_heard(down: Container[str]) -> bool:
    """Return whether workers are heard while these parts do not answer: else nobody knows whether they are there."""
    return "broker" not in down and "mirror" not in down


def parts_down(it: Situation) -> Down:
    """Return the parts that are down, but for those that would be heard only through another of them."""
    resilience, checks = it.resilience or {}, (it.health or {}).get("checks", {})
    parts = (*resilience.get("components", ()), *resilience.get("other_parts", ()))
    names = {part["name"] for part in parts if part["status"] == "unhealthy"}
    names |= {name for name, condition in checks.items() if condition != "healthy"}
    if not is_heard(names):
        names.discard("workers")
    if "broker" in names:
        names.discard("mirror")
    since = {part["name"]: part["since"] for part in parts}
    return {name: since.get(name) for name in WITHOUT if name in names}


def sentence_of_outage(down: Down, now: float) -> str:
    """Return what is said of the parts that are down, the workers left out; nothing where none is."""
    names = [name for name in down if name != "workers"]
    if not names:
        return ""
    first, more = names[0], names[1:]
    since = down[first]
    what = f"not answered for {about(seconds_since(since, now))}" if since else "not answer"
    nor = f", nor {_verb(more, since)} {_joined([_called(name) for name in more])}" if more else ""
    who = _called(first)
    return f"{who[0].upper()}{who[1:]} {_verb([first], since)} {what}{nor}. {WITHOUT[first]}"


def sentence_of_no_worker(down: Down, now: float, *, drained: str | None) -> str:
    """Return what is said where no worker answers. `drained`: the last one, where it was told to go."""
    since = down["workers"]
    what = f"has answered for {about(seconds_since(since, now))}" if since else "answers"
    why = "" if drained is None else f": {drained}, the last one, was drained"
    return f"No worker {what}{why}. {WITHOUT['workers']}"


def _verb(parts: Sequence[str], since: str | None) -> str:
    is_many = len(parts) > 1 or parts[0] == "loops"
    if since:
        return "have" if is_many else "has"
    return "do" if is_many else "does"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _called(part: str) -> str:
    return "Redis" if part == "redis" else f"the {part.replace('_', ' ')}"
