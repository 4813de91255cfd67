"""What a page that stays open is told: the topics it may ask for.

A topic is told of by a hint that it has changed, never by what it has become. `pulse` alone tells figures.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.json_values import check_text

MAX_TOPICS = 50
"""How many topics one stream may ask for."""
MAX_ID = 1_024


class Topic(StrEnum):
    """What is told of all tasks, workers and so on together."""

    PULSE = "pulse"
    TASKS = "tasks"
    WORKERS = "workers"
    ALERTS = "alerts"
    QUEUES = "queues"
    WORKFLOWS = "workflows"


OF_WHOLE_FLEET = frozenset({Topic.PULSE, Topic.WORKERS, Topic.ALERTS, Topic.QUEUES})
"""Topics that cannot be told apart by the limits of a key."""

_TASK, _WORKFLOW = "task:", "workflow:"


@dataclass(frozen=True, slots=True)
class Topics:
    """What one stream asks for."""

    general: frozenset[Topic] = frozenset()
    task_ids: frozenset[str] = frozenset()
    workflow_ids: frozenset[UUID] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Return all of them as they are told, the pulse first."""
        general = (each.value for each in Topic if each in self.general)
        tasks, workflows = map(topic_of_task, self.task_ids), map(topic_of_workflow, self.workflow_ids)
        return (*general, *sorted(tasks), *sorted(workflows))


def topic_of_task(task_id: str) -> str:
    """Return the topic of one task."""
    return f"{_TASK}{task_id}"


def topic_of_workflow(workflow_id: UUID) -> str:
    """Return the topic of one workflow."""
    return f"{_WORKFLOW}{workflow_id}"


def read_topics(texts: Iterable[str]) -> Topics:
    """Return what is asked for by these lists of names with commas in between; raises ValueError for what is none."""
    names = {name for text in texts for name in text.split(",")}
    if len(names) > MAX_TOPICS:
        raise ValueError(f"names more than {MAX_TOPICS}")
    task_ids = frozenset(_checked_id(name) for name in names if name.startswith(_TASK))
    workflow_ids = frozenset(_read_uuid(name) for name in names if name.startswith(_WORKFLOW))
    general = frozenset(_read_topic(name) for name in names if not name.startswith((_TASK, _WORKFLOW)))
    return Topics(general, task_ids, workflow_ids)


def _read_topic(name: str) -> Topic:
    try:
        return Topic(name)
    except ValueError:
        raise ValueError(f"is none of {', '.join(Topic)}, {_TASK}ID, {_WORKFLOW}ID") from None


def _checked_id(name: str) -> str:
    task_id = name.removeprefix(_TASK)
    if not 1 <= len(task_id) <= MAX_ID:
        raise ValueError(f"takes ids of 1 to {MAX_ID} characters")
    check_text(task_id)
    return task_id


def _read_uuid(name: str) -> UUID:
    try:
        return UUID(name.removeprefix(_WORKFLOW))
    except ValueError:
        raise ValueError("takes the id of a workflow as a UUID") from None
