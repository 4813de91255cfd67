"""The types of events: the schema of what a webhook is sent for each, and an example. It lists those of the feed."""

from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import ResponseModel
from domain.alerts.rules import AlertType, Severity
from domain.feed import ChangeType, flaw_of_type
from domain.states import Status
from domain.webhooks.bodies import TEST_TYPE
from domain.webhooks.webhook import Because
from domain.workflows.steps import WorkflowStatus

SINCE = "1.1"
_AT = "2026-03-01T12:00:00Z"


class _Data(ResponseModel):
    """What is told of a change. Fields may be added; the meaning of one never changes within a type."""

    model_config = ConfigDict(extra="allow")

    sequence: int | None = Field(None, description="Counts the changes of this one thing from 1: what is late is less.")


class TaskData(_Data):
    """What is told of a task."""

    task_id: str
    status: Status
    previous: Status
    attempt: int
    task_name: str | None = None
    queue_name: str | None = None
    duration_seconds: float | None = None
    exception: str | None = Field(None, max_length=500)
    url: str | None = None
    task_args: list[Any] | None = Field(None, description="With `payload: full`.")
    task_kwargs: dict[str, Any] | None = Field(None, description="With `payload: full`.")
    result: Any = Field(None, description="With `payload: full`.")
    truncated: bool | None = Field(None, description="A full payload would have been larger than 64 KiB.")


class WorkflowData(_Data):
    """What is told of a workflow."""

    workflow_id: str
    status: WorkflowStatus
    previous: WorkflowStatus
    url: str | None = None


class AlertData(_Data):
    """What is told of an alert."""

    alert_type: AlertType
    subject: str
    alert_id: str | None = None
    severity: Severity | None = None
    description: str | None = None
    value: float | None = None
    threshold: float | None = None


class WorkerData(_Data):
    """What is told of a worker."""

    worker_id: str
    hostname: str
    url: str | None = None


class WebhookData(_Data):
    """What is told of a webhook."""

    webhook_id: str
    because: Because | None = None
    failing_since: str | None = None


class EventType(ResponseModel):
    """A type of events."""

    name: str = Field(examples=["task.failed"])
    since: str = Field(description="The version of the contract that brought it.", examples=["1.1"])
    selectable: bool = Field(
        description="Whether the `events` of a webhook may have it: `webhook.test` goes, unasked, to one that is tried."
    )
    schema_: dict[str, Any] = Field(alias="schema", description="JSON Schema of the body, as `format: standard`.")
    example: dict[str, Any]


class EventTypes(ResponseModel):
    """All types of events; those of your own are not among them."""

    data: list[EventType]


_TASK = {"task_id": "01a2c3f0-7c1e-7b21-9a3d-55b0c1f1a001", "task_name": "shop.charge", "queue_name": "payments"}
_ALERT = "01a2c3f0-7c1e-7b21-9a3d-55b0c1f1a003"
_OF_KIND: dict[str, tuple[type[_Data], dict[str, Any]]] = {
    "task": (TaskData, {**_TASK, "status": "FAILED", "previous": "RUNNING", "attempt": 1, "sequence": 2}),
    "workflow": (WorkflowData, {"workflow_id": "01a2c3f0-7c1e-7b21-9a3d-55b0c1f1a002", "previous": "RUNNING"}),
    "alert": (
        AlertData,
        {"alert_id": "01a2c3f0-7c1e-7b21-9a3d-55b0c1f1a003", "alert_type": "HIGH_QUEUE_DEPTH", "subject": "etl"},
    ),
    "worker": (WorkerData, {"worker_id": "7f0c2a44-1f0e-5f2b-8a76-0b7c0d1e2f33", "hostname": "celery@etl-1"}),
    "webhook": (WebhookData, {"webhook_id": "k7Qm2ZpX4rT1"}),
}
_OF_TYPE: dict[str, dict[str, Any]] = {
    ChangeType.TASK_STARTED: {"status": "RUNNING", "previous": "PENDING"},
    ChangeType.TASK_RETRYING: {"status": "PENDING", "exception": "ConnectionError('reset')"},
    ChangeType.TASK_REQUEUED: {"status": "PENDING"},
    ChangeType.TASK_COMPLETED: {"status": "COMPLETED", "duration_seconds": 1.82},
    ChangeType.TASK_FAILED: {"exception": "CardDeclined('no funds')", "duration_seconds": 1.82},
    ChangeType.TASK_CANCELLED: {"status": "CANCELLED"},
    ChangeType.WORKFLOW_COMPLETED: {"status": "COMPLETED"},
    ChangeType.WORKFLOW_FAILED: {"status": "FAILED"},
    ChangeType.WORKFLOW_CANCELLED: {"status": "CANCELLED"},
    ChangeType.ALERT_RAISED: {
        "severity": "WARNING",
        "description": "Depth of queue etl exceeded 1000",
        "value": 1_204.0,
        "threshold": 1_000.0,
    },
    ChangeType.WEBHOOK_DISABLED: {"because": "failing", "failing_since": "2026-02-24T12:00:00+00:00"},
}
NAMES = (*(kind.value for kind in ChangeType), TEST_TYPE)


def data_model_of(name: str) -> type[_Data]:
    """Return what is told with events of this type."""
    return _OF_KIND[name.partition(".")[0]][0] if name.partition(".")[0] in _OF_KIND else _Data


def example_of(name: str) -> dict[str, Any]:
    """Return a body of this type."""
    data = dict(_OF_KIND.get(name.partition(".")[0], (_Data, {}))[1]) | _OF_TYPE.get(name, {})
    return {"type": name, "timestamp": _AT, "data": data}


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a body of this type, with everything in it that it refers to."""
    data = data_model_of(name).model_json_schema()
    definitions = data.pop("$defs", {})
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
    }
    return schema | ({"$defs": definitions} if definitions else {})


def list_event_types() -> EventTypes:
    """Return all types, as `GET /webhooks/event-types` shows them."""
    return EventTypes(
        data=[
            EventType(
                name=name,
                since=SINCE,
                selectable=flaw_of_type(name) is None,
                schema=schema_of(name),
                example=example_of(name),
            )
            for name in NAMES
        ]
    )
