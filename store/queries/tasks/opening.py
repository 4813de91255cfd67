"""What is encrypted at rest of a task that is read whole, opened, or the reason why not in its place."""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.at_rest import CannotOpen, is_marked
from store.at_rest import AtRest

SEALED_TRACEBACK = 8_192
"""Characters of an encrypted traceback, of all but the latest attempts, that are decrypted to be cut then."""
TOO_LONG = "[is encrypted, and too long to be shown of any but the latest attempts]"


def open_texts(vault: AtRest, task_id: str, *, texts: Mapping[str, str | None]) -> dict[str, Any]:
    """Return those of these texts that are not what they are stored as, by the names of their columns."""
    marked = {name: text for name, text in texts.items() if text is not None and is_marked(text)}
    return {name: vault.open_shown(text, task_id, column=name) for name, text in marked.items()}


def open_given(vault: AtRest, task_id: str, *, stored: Any, name: str) -> dict[str, Any]:
    """Return `args` or `kwargs` where they are encrypted: then they are stored as text, which they never are else."""
    if not isinstance(stored, str):
        return {}
    try:
        return {name: vault.open_value(stored, task_id, column=name)}
    except CannotOpen as error:
        return {name: None, f"{name}_repr": error.shown}


def open_result(vault: AtRest, task_id: str, *, stored: Any) -> dict[str, Any]:
    """Return what is to be told of a result, where it is not what it is stored as."""
    if not isinstance(stored, str) or not is_marked(stored):
        return {}
    try:
        return {"result": vault.open_value(stored, task_id, column="result")}
    except CannotOpen as error:
        return {"result": None, "has_result": False, "unreadable": error.reason}


def open_attempts(
    vault: AtRest, task_id: str, *, attempts: Iterable[dict[str, Any]], last_cut: int, cut_to: int
) -> None:
    """Decrypts tracebacks in their places. Of attempts up to `last_cut` only their ends stay, as of others by SQL."""
    for attempt in attempts:
        text = attempt["traceback"]
        if text is not None and is_marked(text):
            opened = vault.open_shown(text, task_id, column="traceback")
            attempt["traceback"] = opened if attempt["number"] > last_cut else opened[-cut_to:]
