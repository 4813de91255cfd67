"""The errors that users of Celeriac may meet, as one small tree.

    CeleriacError
    ├── InvalidRequest            400
    │   ├── UnknownTaskName
    │   └── UrlNotAllowed
    ├── NotFound                  404
    │   ├── TaskNotFound
    │   ├── WorkerNotFound
    │   ├── WorkflowNotFound
    │   ├── PresetNotFound
    │   ├── AlertNotFound
    │   ├── KeyNotFound
    │   ├── SessionNotFound
    │   ├── WebhookNotFound
    │   └── DeliveryNotFound
    ├── Conflict                  409
    │   ├── TaskAlreadyFinished
    │   ├── TaskNotFinished
    │   ├── WorkflowAlreadyFinished
    │   ├── WorkflowNotFinished
    │   ├── ArgumentsNotRecorded
    │   ├── IdempotencyConflict
    │   ├── PresetExists
    │   ├── WorkerExists
    │   ├── WorkerOnline
    │   ├── WorkerOffline
    │   ├── CapacityNotSupported
    │   ├── LastAdmin
    │   ├── WebhookDisabled
    │   └── WebhookLimit
    ├── BuiltInPreset             403
    └── Unavailable               503
        ├── DatabaseUnavailable
        ├── BrokerUnavailable
        ├── IssuerUnavailable
        ├── Overloaded
        └── ServiceDegraded

Each class has a stable `code` (docs/rest-contract.md) and its docstring's first line is the default sentence.
The table from class to HTTP status lives in `api/errors.py`.
"""

from typing import Self


class CeleriacError(Exception):
    """Something went wrong."""

    code = "INTERNAL_ERROR"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)


class InvalidRequest(CeleriacError):
    """The request is not valid."""

    code = "VALIDATION_ERROR"

    def __init__(self, detail: str | None = None, *, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors
        """Pairs of (field, message)."""

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        """Return the error of a request in which one field is wrong."""
        return cls(f"{field}: {message}", errors=((field, message),))


class UnknownTaskName(InvalidRequest):
    """No worker knows a task of this name."""

    code = "UNKNOWN_TASK_NAME"


class NotFound(CeleriacError):
    """Not found"""

    code = "NOT_FOUND"


class TaskNotFound(NotFound):
    """Task not found"""

    code = "TASK_NOT_FOUND"


class WorkerNotFound(NotFound):
    """Worker not found"""

    code = "WORKER_NOT_FOUND"


class WorkflowNotFound(NotFound):
    """Workflow not found"""

    code = "WORKFLOW_NOT_FOUND"


class QueueNotFound(NotFound):
    """Queue not found"""

    code = "QUEUE_NOT_FOUND"


class TaskNameNotFound(NotFound):
    """Task name not found"""

    code = "TASK_NAME_NOT_FOUND"


class AlertNotFound(NotFound):
    """Alert not found"""

    code = "ALERT_NOT_FOUND"


class KeyNotFound(NotFound):
    """API key not found"""

    code = "KEY_NOT_FOUND"


class SessionNotFound(NotFound):
    """Session not found"""

    code = "SESSION_NOT_FOUND"


class Conflict(CeleriacError):
    """The request conflicts with the present state."""

    code = "CONFLICT"


class TaskAlreadyFinished(Conflict):
    """The task has already finished."""

    code = "TASK_ALREADY_FINISHED"


class TaskNotFinished(Conflict):
    """The task has not finished."""

    code = "TASK_NOT_FINISHED"


class WorkflowAlreadyFinished(Conflict):
    """The workflow has already finished."""

    code = "WORKFLOW_ALREADY_FINISHED"


class WorkflowNotFinished(Conflict):
    """The workflow has not finished."""

    code = "WORKFLOW_NOT_FINISHED"


class ArgumentsNotRecorded(Conflict):
    """The arguments of this task are known only as a shortened text: give task_args and task_kwargs."""

    code = "ARGUMENTS_NOT_RECORDED"


class IdempotencyConflict(Conflict):
    """This Idempotency-Key was used with another body within the last 24 hours."""

    code = "IDEMPOTENCY_CONFLICT"


class Unavailable(CeleriacError):
    """A component that this request needs is unavailable; try again."""

    code = "SERVICE_DEGRADED"
    retry_after_seconds = 1


class DatabaseUnavailable(Unavailable):
    """The database is unavailable; try again."""

    code = "DATABASE_UNAVAILABLE"


class BrokerUnavailable(Unavailable):
    """The broker is unavailable; try again."""

    code = "BROKER_UNAVAILABLE"


class IssuerUnavailable(Unavailable):
    """The issuer of tokens cannot be reached; try again."""

    code = "ISSUER_UNAVAILABLE"


class Overloaded(Unavailable):
    """Too many submissions are waiting to be stored; try again."""

    code = "OVERLOADED"


class PresetNotFound(NotFound):
    """Preset not found"""

    code = "PRESET_NOT_FOUND"


class PresetExists(Conflict):
    """There is a preset of this name."""

    code = "PRESET_EXISTS"


class ChannelNotFound(NotFound):
    """Channel not found"""

    code = "CHANNEL_NOT_FOUND"


class ChannelExists(Conflict):
    """There is a channel of this name."""

    code = "CHANNEL_EXISTS"


class RouteNotFound(NotFound):
    """Route not found"""

    code = "ROUTE_NOT_FOUND"


class RouteExists(Conflict):
    """There is a route of this name."""

    code = "ROUTE_EXISTS"


class BuiltInPreset(CeleriacError):
    """This preset ships with Celeriac and cannot be removed."""

    code = "FORBIDDEN"


class ServiceDegraded(Unavailable):
    """A service that this request needs is degraded; try again later."""

    code = "SERVICE_DEGRADED"


class WorkerExists(Conflict):
    """This worker is registered already."""

    code = "WORKER_EXISTS"

    def __init__(self, detail: str | None = None, *, worker_id: str | None = None) -> None:
        super().__init__(detail)
        self.worker_id = worker_id


class WorkerOnline(Conflict):
    """The worker is online: stop or drain it first."""

    code = "WORKER_ONLINE"


class WorkerOffline(Conflict):
    """The worker is offline."""

    code = "WORKER_OFFLINE"


class CapacityNotSupported(Conflict):
    """This worker cannot change how many tasks it runs at once."""

    code = "CAPACITY_NOT_SUPPORTED"


class LastAdmin(Conflict):
    """This is the last key with the scope admin: make another one first."""

    code = "LAST_ADMIN"


class UrlNotAllowed(InvalidRequest):
    """Nothing is sent to such a URL."""

    code = "URL_NOT_ALLOWED"


class WebhookNotFound(NotFound):
    """Webhook not found"""

    code = "WEBHOOK_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """Delivery not found"""

    code = "DELIVERY_NOT_FOUND"


class WebhookDisabled(Conflict):
    """The webhook is disabled: enable it first."""

    code = "WEBHOOK_DISABLED"


class WebhookLimit(Conflict):
    """There are as many webhooks as there may be."""

    code = "WEBHOOK_LIMIT"
