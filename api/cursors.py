"""Cursors: where a page ended, opaque to clients. Only of lists sorted by `created_at`, the one order that is stable
under inserts.
"""

import base64
import binascii
import json
from datetime import datetime

from domain.errors import InvalidRequest
from domain.filters import Cursor

NOT_OURS = "is not a cursor of this API"


def encode_cursor(last: Cursor) -> str:
    """Behind this row."""
    position = [last.created_at.isoformat(), last.row_id]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Cursor:
    """The row behind which to go on; raises InvalidRequest for what `encode_cursor` never wrote."""
    try:
        created_at, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        position = Cursor(datetime.fromisoformat(created_at), str(row_id))
    except (ValueError, TypeError, binascii.Error):
        raise refused(NOT_OURS) from None
    if position.created_at.tzinfo is None or "\0" in position.row_id:
        raise refused(NOT_OURS)
    return position


def refused(reason: str) -> InvalidRequest:
    """What a request with such a cursor is answered."""
    return InvalidRequest(f"cursor {reason}", errors=(("cursor", reason),))
