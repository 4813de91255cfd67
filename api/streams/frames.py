"""Frames of server-sent events: how a change, a gap and a sign of life are written."""

import json
from collections.abc import Mapping
from typing import Any

from api.schemas.events import event_of, timestamp_of
from domain.feed import Told

RETRY_MS = 3_000
"""How long a browser waits before it connects again."""


def frame_of(change: Told, epoch: str) -> bytes:
    """Return the frame of a change."""
    event = event_of(change, epoch)
    event["timestamp"] = timestamp_of(event["timestamp"])
    return named_frame(change.type, event.pop("id"), data=event)


def named_frame(name: str, cursor: str, *, data: Mapping[str, Any], retry: bool = False) -> bytes:
    """Return a frame with this name and data, behind which the client stands at this cursor."""
    wait = f"retry: {RETRY_MS}\n" if retry else ""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{wait}id: {cursor}\nevent: {name}\ndata: {body}\n\n".encode()


def sign_of_life(cursor: str) -> bytes:
    """Return a frame that nobody is told of; it moves the cursor beyond what was not wanted."""
    return f": still here\nid: {cursor}\n\n".encode()
