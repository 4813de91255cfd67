"""`{"$encrypted": {"kid": "k1", "ct": "..."}}`: parts of arguments that only a worker can open.

Here it is seen to that they are written as a worker will read them. Nothing on this side has a key: what they hold is
never known (docs/encryption.md).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.errors import InvalidRequest
from domain.json_values import MAX_SEGMENT_LENGTH

MARK = "$encrypted"
MAX_KID_LENGTH = 64
MIN_CT_LENGTH = 39
"""The length of an empty text: a byte of version, 12 of nonce and 16 of tag, in base64url."""

_KID = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_KID_LENGTH}}}")
_CT = re.compile(rf"[A-Za-z0-9_-]{{{MIN_CT_LENGTH},}}={{0,2}}")
_SEALED = {"kid", "ct"}
_RESULT = {"kid", "ct", "task_name", "task_id"}
"""The names in an argument, and those in a result, which may be an argument of another task."""


def check_encrypted(args: str, kwargs: str) -> None:
    """Raises InvalidRequest if an encrypted part of these JSON texts is malformed. A task with none costs two looks."""
    for field, text in (("task_args", args), ("task_kwargs", kwargs)):
        if f'"{MARK}"' in text:
            for place, value in _marks(json.loads(text), field):
                flaw = "may not be encrypted as a whole, its values may" if place == field else _flaw_of(value)
                if flaw:
                    raise InvalidRequest.of_field(place, flaw)


def is_encrypted(value: object) -> bool:
    """Tell whether this value as a whole is an encrypted part."""
    return isinstance(value, dict) and MARK in value


def _marks(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object in this value that has the mark, with its place (`task_args.0.card`)."""
    if isinstance(value, dict):
        if MARK in value:
            yield place, value
        else:
            for key, item in value.items():
                yield from _marks(item, f"{place}.{key[:MAX_SEGMENT_LENGTH]}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _marks(item, f"{place}.{number}")


def _flaw_of(value: Mapping[str, Any]) -> str | None:
    sealed = value[MARK]
    if len(value) > 1:
        return f'may hold only "{MARK}"'
    if not isinstance(sealed, dict) or set(sealed) not in (_SEALED, _RESULT):
        return f'"{MARK}" must hold "kid" and "ct", those of a result "task_name" and "task_id" too, and nothing else'
    if not all(isinstance(text, str) for text in sealed.values()):
        return f'"{MARK}" may hold only text'
    if not _KID.fullmatch(sealed["kid"]):
        return f'"kid" must have 1 to {MAX_KID_LENGTH} letters, digits, dots, hyphens or underscores'
    if not _CT.fullmatch(sealed["ct"]):
        return f'"ct" must be base64url, of {MIN_CT_LENGTH} characters or more'
    return None
