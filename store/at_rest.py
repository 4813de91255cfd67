"""Encryption of what tasks were given and gave back, at the few places where it is written and read.

An engine holds one `AtRest`, which all its connections know. Without keys it encrypts nothing, and still tells apart
what is encrypted from what is not. The forms are in `domain/at_rest.py`.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.at_rest import (
    MARK,
    NONCE_BYTES,
    AtRestKeys,
    CannotOpen,
    context,
    escape,
    escape_json,
    head_of,
    is_escaped,
    is_marked,
    prefix_of,
    read,
    unescape,
    write,
)

OPTION = "celeriac_at_rest"
JSON_MARK = f'"{MARK}'


class AtRest:
    """Encrypts with the current key, and decrypts with all."""

    def __init__(self, keys: AtRestKeys | None = None) -> None:
        self._ciphers = {number: AESGCM(key) for number, key in keys.by_number.items()} if keys else {}
        self._current = self._ciphers[keys.current] if keys else None
        self._head = head_of(keys.current) if keys else b""
        self.prefix = prefix_of(keys.current) if keys else None
        """How each text begins that the current key has encrypted; None without keys."""

    @property
    def seals(self) -> bool:
        """Tell whether there is a key to encrypt with."""
        return self._current is not None

    def seal(self, text: str, owner: str, *, column: str) -> str:
        """Return a text as it is stored in this column of the row of this owner."""
        if self._current is None:
            return escape(text)
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._current.encrypt(nonce, text.encode(), context(self._head, owner, column=column))
        return write(self._head, nonce, text=sealed)

    def seal_json(self, text: str, owner: str, *, column: str) -> str:
        """Return a JSON text as it is stored in this column: encrypted, it is a JSON string."""
        return f'"{self.seal(text, owner, column=column)}"' if self.seals else escape_json(text)

    def open(self, stored: str, owner: str, *, column: str) -> str:
        """Return what `seal` was given. Raises CannotOpen."""
        if not is_marked(stored):
            return stored
        return unescape(stored) if is_escaped(stored) else self._decrypt(stored, owner, column=column)

    def open_json(self, stored: str, owner: str, *, column: str) -> str:
        """Return the JSON text that `seal_json` was given, or one that says the same. Raises CannotOpen."""
        if not stored.startswith(JSON_MARK):
            return stored
        text: str = json.loads(stored)
        return json.dumps(unescape(text)) if is_escaped(text) else self._decrypt(text, owner, column=column)

    def open_value(self, stored: Any, owner: str, *, column: str) -> Any:
        """Return the value of the JSON text that `seal_json` was given. Raises CannotOpen."""
        if not isinstance(stored, str) or not is_marked(stored):
            return stored
        return unescape(stored) if is_escaped(stored) else json.loads(self._decrypt(stored, owner, column=column))

    def open_shown(self, stored: str, owner: str, *, column: str) -> str:
        """Return what `seal` was given, for people: where it cannot be read, the reason stands in its place."""
        try:
            return self.open(stored, owner, column=column)
        except CannotOpen as error:
            return error.shown

    def _decrypt(self, stored: str, owner: str, *, column: str) -> str:
        sealed = read(stored)
        cipher = self._ciphers.get(sealed.number)
        if cipher is None:
            raise CannotOpen(f"is encrypted with key {sealed.number}, which CELERIAC_ENCRYPTION_KEYS does not hold")
        try:
            return cipher.decrypt(sealed.nonce, sealed.text, context(sealed.head, owner, column=column)).decode()
        except (InvalidTag, UnicodeDecodeError):
            reason = f"is encrypted with another key of the number {sealed.number}, or was tampered with"
            raise CannotOpen(reason) from None


PLAIN = AtRest()


def unsealed(text: str | None) -> str | None:
    """Return a text, or a text of JSON, unless it is encrypted."""
    return None if text and text.startswith((MARK, JSON_MARK)) else text


def at_rest_of(connection: AsyncConnection) -> AtRest:
    """Return what the engine of this connection encrypts with."""
    options: Mapping[str, Any] = (
        connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    )
    found: AtRest = options.get(OPTION, PLAIN)
    return found
