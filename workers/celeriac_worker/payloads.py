"""Encrypted parts of arguments, results and errors, as they travel: `{"$encrypted": {"kid": "k1", "ct": "..."}}`.

Making and reading them with the keys of `CELERIAC_PAYLOAD_KEYS`, for clients and for workers; what a worker does about
them is in `sealing.py`. The format, for any language, is in `docs/encryption.md`.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kombu.utils.json import dumps, loads

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    # Only encrypted parts need it: `pip install 'celeriac-worker[encryption]'`.
    AESGCM = None  # type: ignore[assignment, misc]

KEYS_VARIABLE = "CELERIAC_PAYLOAD_KEYS"
MARK = "$encrypted"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = b"\x01"

_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIELDS = ({"kid", "ct"}, {"kid", "ct", "task_name", "task_id"})


class PayloadError(Exception):
    """Something cannot be sealed or opened; says why in one sentence, which holds no part of it and no key."""


class PayloadKeys:
    """Keys by their ids. The first one seals, unless another is named; all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    def usable(self, kid: str | None = None) -> str:
        """Return the id of a key with which something can be sealed here: this one, or the first. Raises
        PayloadError.
        """
        if not self._keys:
            raise PayloadError(f"{KEYS_VARIABLE} is not set.")
        kid = next(iter(self._keys)) if kid is None else kid
        self._cipher(kid)
        return kid

    def seal(self, value: Any, bound_to: bytes, *, kid: str | None = None) -> dict[str, str]:
        """Return `kid` and `ct` of a value that JSON can hold; they open only where it is bound to."""
        kid = self.usable(kid)
        text = dumps(value).encode()
        nonce = os.urandom(NONCE_BYTES)
        raw = VERSION + nonce + self._cipher(kid).encrypt(nonce, text, bound_to)
        return {"kid": kid, "ct": urlsafe_b64encode(raw).decode().rstrip("=")}

    def open(self, sealed: Mapping[str, str], bound_to: bytes) -> Any:
        """Return the value. Raises PayloadError where it was changed, or is bound to something else."""
        cipher = self._cipher(sealed["kid"])
        raw = _decoded(sealed["ct"])
        if raw[:1] != VERSION or len(raw) < len(VERSION) + NONCE_BYTES + TAG_BYTES:
            raise PayloadError('Its "ct" is too short, or of a version that is not known here.')
        nonce, text = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
        try:
            return loads(cipher.decrypt(nonce, text, bound_to))
        except InvalidTag:
            raise PayloadError("It was changed, sealed with another key, or sealed for another task.") from None
        except ValueError:
            raise PayloadError("What was sealed is no JSON.") from None

    def _cipher(self, kid: str) -> AESGCM:
        if kid not in self._keys:
            raise PayloadError(f"{KEYS_VARIABLE} has no key {kid!r} here.")
        if AESGCM is None:
            raise PayloadError("The package `cryptography` is not installed here.")
        return AESGCM(self._keys[kid])


def seal(value: Any, *, task_name: str, kid: str | None = None, keys: PayloadKeys | None = None) -> dict[str, Any]:
    """Return what stands for the value in the arguments of a task of this name; the task is given the value itself.

    `kid`: which key; by default the first of `CELERIAC_PAYLOAD_KEYS`, where the keys come from unless given.
    """
    return {MARK: (keys or environment_keys()).seal(value, bound_to_argument(task_name), kid=kid)}


def open_result(result: Any, *, task_name: str, task_id: str, keys: PayloadKeys | None = None) -> Any:
    """Return what the task has returned, from its sealed result. Raises PayloadError if it is not that task's."""
    return (keys or environment_keys()).open(read_mark(result), bound_to_result(task_name, task_id))


def open_error(text: str, *, task_name: str, task_id: str, keys: PayloadKeys | None = None) -> str:
    """Return the `repr` of the exception that has ended the task, from the text of the `SealedError` in its place."""
    try:
        sealed = read_mark(loads(text[text.index("{") : text.rindex("}") + 1]))
    except ValueError:
        raise PayloadError("The text holds nothing that is sealed.") from None
    return str((keys or environment_keys()).open(sealed, bound_to_error(task_name, task_id)))


def read_mark(value: Any) -> Mapping[str, str]:
    """Return what is behind the mark of an encrypted part. Raises PayloadError where it is malformed."""
    sealed = value.get(MARK) if isinstance(value, dict) and len(value) == 1 else None
    if not (
        isinstance(sealed, dict)
        and set(sealed) in _FIELDS
        and all(isinstance(text, str) for text in sealed.values())
        and _KID.fullmatch(sealed["kid"])
    ):
        raise PayloadError(f'It is malformed: {{"{MARK}": {{"kid": "...", "ct": "..."}}}} and nothing else is due.')
    return sealed


def bound_to_argument(task_name: str) -> bytes:
    """Return what an argument is bound to: the task's name. Its id is made by the server, after the client has
    sealed.
    """
    return _bound("argument", task_name)


def bound_to_result(task_name: str, task_id: str) -> bytes:
    """Return what a result is bound to."""
    return _bound("result", task_name, task_id)


def bound_to_error(task_name: str, task_id: str) -> bytes:
    """Return what the text of an exception is bound to."""
    return _bound("error", task_name, task_id)


def environment_keys() -> PayloadKeys:
    """Return the keys of `CELERIAC_PAYLOAD_KEYS`. Raises PayloadError where it is malformed."""
    return parse_keys(os.environ.get(KEYS_VARIABLE, ""))


@lru_cache(maxsize=8)
def parse_keys(text: str) -> PayloadKeys:
    """Return the keys of `kid:base64,kid:base64`. Raises PayloadError, which names at most a kid."""
    keys: dict[str, bytes] = {}
    for number, item in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        kid, _, encoded = item.partition(":")
        if not encoded or not _KID.fullmatch(kid):
            raise PayloadError(f"{KEYS_VARIABLE}: key {number} is not written as kid:base64.")
        if kid in keys:
            raise PayloadError(f"{KEYS_VARIABLE} names the key {kid!r} twice.")
        keys[kid] = _key(kid, encoded)
    return PayloadKeys(keys)


def _key(kid: str, encoded: str) -> bytes:
    try:
        key = b64decode(encoded.translate({ord("-"): "+", ord("_"): "/"}) + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise PayloadError(f"{KEYS_VARIABLE}: the key {kid!r} is not the base64 of {KEY_BYTES} bytes.")
    return key


def _bound(purpose: str, *names: str) -> bytes:
    """NUL, which Postgres cannot store in a name or an id, keeps one from reaching into the next."""
    return "\0".join(("celeriac", "1", purpose, *names)).encode()


def _decoded(text: str) -> bytes:
    """Return the bytes of base64url with or without padding; one spelling for each, or a change could go unseen."""
    bare = text.rstrip("=")
    try:
        raw = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except ValueError:
        raw = b""
    if urlsafe_b64encode(raw).decode().rstrip("=") != bare:
        raise PayloadError('Its "ct" is not base64url.')
    return raw
