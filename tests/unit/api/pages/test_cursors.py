import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from api.pages.cursors import decode_cursor, encode_cursor
from domain.errors import InvalidRequest
from domain.filters import Cursor

TIME = "2026-01-25T14:00:00+00:00"


def forged(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def test_a_cursor_comes_back_as_it_was() -> None:
    last = Cursor(datetime(2026, 1, 25, 14, 0, 0, 123456, tzinfo=UTC), "01985a2c-ä/ö")
    assert decode_cursor(encode_cursor(last)) == last


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%%%",
        "ä",
        forged([TIME, "\ud800"]),
        forged([TIME, "a\u0000b"]),
        forged([TIME, 7]),
        forged([TIME, ["a"]]),
        forged([TIME, None]),
        forged([TIME]),
        forged([TIME, "a", "b"]),
        forged({"a": 1, "b": 2}),
        forged("ab"),
        forged(7),
        forged([1e308, "a"]),
        forged(["2026-01-25T14:00:00", "a"]),
        forged(["2026-01-25", "a"]),
        forged(["0001-01-01T00:00:00+23:59", "a"]),
        forged(["9999-12-31T23:59:59-23:59", "a"]),
        forged(["\ud800", "a"]),
        base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(),
        base64.urlsafe_b64encode(b"[" * 380).decode(),
        base64.urlsafe_b64encode(b'["%s", %s]' % (TIME.encode(), b"9" * 300)).decode(),
    ],
)
def test_what_we_never_wrote_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_cursor(cursor)
    assert refused.value.errors == (("cursor", "is not a cursor of this API"),)
