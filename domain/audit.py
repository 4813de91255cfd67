"""Audit: who did what to what, as it is recorded beside the change. How rows are sealed is in `audit_seals.py`.

Of a change only the fields that differ are recorded, cut to a bounded size. Secrets never come here: each verb names
the fields that it shows.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum

from domain.json_values import storable
from domain.principals import Principal, PrincipalKind
from domain.scopes import Scope

MAX_REASON = 200
"""Characters of a reason."""
MAX_ID = 1_024
"""Characters of the id of what was changed."""
MAX_VALUE = 500
"""Characters of one value, as JSON."""
MAX_FIELDS_SIZE = 8_000
"""Characters of all values before, and of all after, as JSON."""
LEFT_OUT = "... left out: too long"
NAMELESS = (str(PrincipalKind.LOCAL), "cli")
"""Kinds of authors that have no ids: there is one of each."""
REASON_HEADER = "X-Celeriac-Reason"
REASON_SCOPES = (Scope.OPERATE, Scope.ADMIN)
"""The scopes of routes that may ask for a reason: what `submit` allows leaves no row that could hold one."""


class Action(StrEnum):
    """What somebody does: the kind of thing that it is done to, and a verb."""

    TASK_CANCEL = "task.cancel"
    TASK_REPLAY = "task.replay"
    TASK_REVEAL = "task.reveal"
    WORKFLOW_CANCEL = "workflow.cancel"
    WORKFLOW_RETRY = "workflow.retry"
    WORKFLOW_REPLAY = "workflow.replay"
    WORKER_REGISTER = "worker.register"
    WORKER_FORGET = "worker.forget"
    WORKER_PAUSE = "worker.pause"
    WORKER_RESUME = "worker.resume"
    WORKER_DRAIN = "worker.drain"
    WORKER_RESIZE = "worker.resize"
    PRESET_SAVE = "preset.save"
    PRESET_DELETE = "preset.delete"
    ALERT_ACKNOWLEDGE = "alert.acknowledge"
    RULES_CHANGE = "rules.change"
    CHANNEL_CREATE = "channel.create"
    CHANNEL_CHANGE = "channel.change"
    CHANNEL_DELETE = "channel.delete"
    CHANNEL_TEST = "channel.test"
    ROUTE_CREATE = "route.create"
    ROUTE_CHANGE = "route.change"
    ROUTE_DELETE = "route.delete"
    SERVICE_MARK = "service.mark"
    SERVICE_CLEAR = "service.clear"
    KEY_CREATE = "key.create"
    KEY_CHANGE = "key.change"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    SESSION_SIGN_IN = "session.sign_in"
    SESSION_SIGN_OUT = "session.sign_out"
    SESSION_END = "session.end"
    WEBHOOK_CREATE = "webhook.create"
    WEBHOOK_CHANGE = "webhook.change"
    WEBHOOK_ROTATE = "webhook.rotate"
    WEBHOOK_DELETE = "webhook.delete"
    WEBHOOK_TEST = "webhook.test"
    WEBHOOK_RETRY = "webhook.retry"
    WEBHOOK_RECOVER = "webhook.recover"

    @property
    def subject_kind(self) -> str:
        """The kind of thing that it is done to, e.g. `task`."""
        return self.value.partition(".")[0]


class Outcome(StrEnum):
    """What became of it when its row was written."""

    DONE = "done"
    """The change was committed with the row."""
    REQUESTED = "requested"
    """The wish was committed with the row; it is carried out outside of the database afterwards."""
    REFUSED = "refused"
    """The caller lacked the scope; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and in which request."""

    kind: str
    id: str
    name: str
    request_id: str | None = None
    address: str | None = None
    reason: str | None = None
    signed_in_with: str | None = None
    """The kind of what his session was made from, where he has one."""

    @property
    def label(self) -> str:
        """The name under which what he makes is recorded, e.g. `api_key:k7Qm2ZpX4rT1`; `Principal.author` is the
        same."""
        kind = self.signed_in_with or self.kind
        return kind if kind in NAMELESS else f"{kind}:{self.id}"


def author_of(principal: Principal, *, request_id: str, address: str | None, reason: str | None = None) -> Author:
    """Return who makes this request, as its row says it."""
    return Author(
        str(principal.kind),
        principal.id,
        principal.name,
        request_id=request_id,
        address=address,
        reason=reason,
        signed_in_with=principal.signed_in_with and str(principal.signed_in_with),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one thing. Of the fields before and after only those that differ are recorded."""

    action: Action
    subject_id: str
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)
    outcome: Outcome = Outcome.DONE

    def differences(self) -> tuple[dict[str, object], dict[str, object]]:
        """Return the fields that differ, before and after, as bounded JSON values."""
        before, after = _plain_fields(self.before), _plain_fields(self.after)
        same = {name for name in before.keys() & after.keys() if before[name] == after[name]}
        return _bounded(_without(before, same)), _bounded(_without(after, same))


def check_reason(text: str) -> None:
    """Raises ValueError for what is no reason: empty, too long, or not one line of text."""
    if not text.strip():
        raise ValueError("is empty")
    if len(text) > MAX_REASON:
        raise ValueError(f"has more than {MAX_REASON} characters")
    if not text.isprintable():
        raise ValueError("holds a control character")


def cut_id(text: str) -> str:
    """Return the id as it can be stored, whatever a client wrote in its place."""
    return str(storable(text))[:MAX_ID]


def _plain_fields(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: object) -> object:
    """The value as JSON has it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return storable(str(value.value if isinstance(value, Enum) else value))


def _without(fields: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in names}


def _bounded(fields: dict[str, object]) -> dict[str, object]:
    """Leave out values that are too long, and those for which there is no room behind the others."""
    left = MAX_FIELDS_SIZE
    kept: dict[str, object] = {}
    for name, value in fields.items():
        size = len(json.dumps(value))
        if size > min(MAX_VALUE, left):
            value, size = LEFT_OUT, len(LEFT_OUT)
        left -= size
        if left < 0:
            break
        kept[name] = value
    return kept
