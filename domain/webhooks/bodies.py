"""What a delivery says: the body that is signed, in the form that its webhook asks for.

A thin body is what the feed tells. A full one has the arguments and the result of a task as well, with the mask on
them, as long as it stays within `MAX_BODY`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from domain.feed import Place, Told, begins_as_ours, told_data

MAX_BODY = 65_536
"""Bytes of a full body."""
TEST_TYPE = "webhook.test"
_SHOWN_AT = {"task": "tasks", "workflow": "workflows", "worker": "workers"}


class Payload(StrEnum):
    """How much a body tells."""

    THIN = "thin"
    FULL = "full"


class BodyFormat(StrEnum):
    """The envelope of a body."""

    STANDARD = "standard"
    """That of Standard Webhooks."""
    CLOUDEVENTS = "cloudevents"
    """CloudEvents 1.0 in structured mode."""

    @property
    def content_type(self) -> str:
        """The media type of such a body."""
        return "application/cloudevents+json" if self is BodyFormat.CLOUDEVENTS else "application/json"


def event_id_of(epoch: str, place: Place) -> str:
    """Return the `webhook-id` of a change: the same for each webhook and each attempt. It holds no dot, at which the
    signed text is divided.
    """
    return f"evt_{epoch}_{place.xact}_{place.change_id}"


def write_body(
    change: Told, event_id: str, *, form: BodyFormat, public_url: str | None, more: Mapping[str, Any] | None = None
) -> str:
    """Return the body for a change; `more` is what a full one tells beside, left out where there is no room."""
    data = told_data(change)
    if public_url and change.subject_kind in _SHOWN_AT:
        path = f"{_SHOWN_AT[change.subject_kind]}/{quote(change.subject_id, safe='')}"
        data["url"] = f"{public_url}/api/v1/{path}"
    about = (change.type, change.subject_id, change.at)
    body = _write(about, event_id, data=data | dict(more or {}), form=form, source=public_url)
    if more and len(body.encode()) > MAX_BODY:
        return _write(about, event_id, data=data | {"truncated": True}, form=form, source=public_url)
    return body


def write_test_body(webhook_id: str, event_id: str, *, at: datetime, form: BodyFormat, public_url: str | None) -> str:
    """Return the body of a test, which nothing has caused."""
    about = (TEST_TYPE, webhook_id, at)
    return _write(about, event_id, data={"webhook_id": webhook_id}, form=form, source=public_url)


def _write(
    about: tuple[str, str, datetime], event_id: str, *, data: Mapping[str, Any], form: BodyFormat, source: str | None
) -> str:
    kind, subject, at = about
    timestamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if form is BodyFormat.STANDARD:
        return _as_json({"type": kind, "timestamp": timestamp, "data": data})
    return _as_json(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source or "/celeriac",
            "type": f"celeriac.{kind}.v1" if begins_as_ours(kind) else kind,
            "subject": subject,
            "time": timestamp,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
