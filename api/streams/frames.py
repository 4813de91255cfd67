"""Frames of server-sent events: how a change, a gap, a hint and a sign of life are written."""

import json
from collections.abc import Mapping
from typing import Any

from api.schemas.events import event_of, timestamp_of
from domain.feed import Told

RETRY_MS = 3_000
"""How long a browser waits before it connects again."""
HINT_RETRY_MS = 2_000
BYE = b"event: bye\ndata: {}\n\n"
"""The last frame of a stream that the server ends since it stops: connect again."""
STILL_HERE = b": still here\n\n"
FIRST = f"retry: {HINT_RETRY_MS}\n: hello\n\n".encode()
"""What a stream without cursors begins with."""


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


def unplaced_frame(name: str, body: str) -> bytes:
    """Return a frame with this name and JSON, which moves no cursor."""
    return f"event: {name}\ndata: {body}\n\n".encode()
