"""Cursors: where a page ended, opaque to clients. Only of lists sorted by `created_at`, the one order that is stable
under inserts.
"""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

from domain.errors import InvalidRequest
from domain.filters import Cursor
from domain.json_values import check_text

NOT_OURS = "is not a cursor of this API"


def encode_cursor(last: Cursor) -> str:
    """Return the cursor of the page that starts after this row."""
    position = [last.created_at.isoformat(), last.row_id]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Cursor:
    """Return the row after which to go on; raises InvalidRequest for what `encode_cursor` never wrote."""
    try:
        created_at, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return Cursor(_time(created_at), _row_id(row_id))
    # OverflowError: at the ends of the calendar there are times that UTC does not have.
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise refused(NOT_OURS) from None


def decode_uuid_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return the row after which to go on in a list of things with a UUID; raises InvalidRequest as `decode_cursor`."""
    last = decode_cursor(cursor)
    try:
        return last.created_at, UUID(last.row_id)
    except ValueError:
        raise refused(NOT_OURS) from None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("has no offset")
    return time.astimezone(UTC)


def _row_id(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("is no text")
    check_text(text)
    return text


def refused(reason: str) -> InvalidRequest:
    """Return the error that answers a request with such a cursor."""
    return InvalidRequest(f"cursor {reason}", errors=(("cursor", reason),))
