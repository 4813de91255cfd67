"""`{"$result": "extract", "pointer": "/rows"}`: where a step's arguments stand for the result of another step.

Finding them, following a JSON pointer (RFC 6901) into a result, and putting the values in their place.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest
from domain.json_values import MAX_STEP_LENGTH, check_json
from domain.submissions import MAX_ARGUMENT_BYTES

RESULT = "$result"
POINTER = "pointer"
SHOWN = 100
"""Characters of a pointer that an error shows."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of a step, or the part of it that the pointer leads to; the empty pointer is the whole."""

    step_id: str
    pointer: str = ""


class NotResolved(Exception):
    """A reference leads nowhere, or to more than arguments may hold; says so in one sentence."""


def find(value: Any, place: str) -> Iterator[tuple[str, Reference]]:
    """Every reference in this value, with its place (`task_args.0.rows`); raises InvalidRequest for a malformed one."""
    if isinstance(value, dict):
        if RESULT in value:
            yield place, _parse(value, place)
        else:
            for key, item in value.items():
                yield from find(item, f"{place}.{key[:MAX_STEP_LENGTH]}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from find(item, f"{place}.{number}")


def read(reference: Reference, result: Any) -> str:
    """What it stands for in this result, as JSON text; raises NotResolved."""
    text = json.dumps(_follow(reference, result))
    if len(text) > MAX_ARGUMENT_BYTES:
        raise NotResolved(f"{_shown(reference)} is larger than 1 MiB.")
    return text


def fill(arguments: str, values: Mapping[Reference, str]) -> str:
    """These arguments (JSON text) with the value of each reference in its place; `values` holds them all.

    Raises NotResolved if no task may be given what comes out.
    """
    try:
        filled = _filled(json.loads(arguments), values)
        check_json(filled)
        return json.dumps(filled)
    except ValueError as error:
        raise NotResolved(f"The results cannot be passed on: {error}.") from None
    except RecursionError:
        raise NotResolved("The results cannot be passed on: nested too deeply.") from None


def check_filled(args: str, kwargs: str) -> None:
    """Raises NotResolved if these are too large together."""
    if len(args) + len(kwargs) > MAX_ARGUMENT_BYTES:
        raise NotResolved("With the results in their places the arguments are larger than 1 MiB together.")


def references_in(*arguments: str) -> set[Reference]:
    """Those in JSON texts that `find` has accepted."""
    return {reference for text in arguments for _, reference in find(json.loads(text), "")}


def _parse(value: Mapping[str, Any], place: str) -> Reference:
    step_id, pointer = value[RESULT], value.get(POINTER, "")
    if value.keys() - {RESULT, POINTER}:
        raise _refused(place, f'may hold only "{RESULT}" and "{POINTER}"')
    if not isinstance(step_id, str):
        raise _refused(place, f'"{RESULT}" must be the id of a step')
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")) or _BAD_ESCAPE.search(pointer):
        raise _refused(place, f'"{POINTER}" must be a JSON pointer (RFC 6901), e.g. "/rows/0"')
    return Reference(step_id, pointer)


def _refused(place: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{place}: {message}", errors=((place, message),))


def _follow(reference: Reference, result: Any) -> Any:
    for token in _tokens(reference.pointer):
        if isinstance(result, dict) and token in result:
            result = result[token]
        elif isinstance(result, list) and _INDEX.fullmatch(token) and int(token) < len(result):
            result = result[int(token)]
        else:
            raise NotResolved(f"{_shown(reference)} is absent: there is no {token[:SHOWN]!r}.")
    return result


def _tokens(pointer: str) -> Iterable[str]:
    return (token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _shown(reference: Reference) -> str:
    at = f" at {reference.pointer[:SHOWN]!r}" if reference.pointer else ""
    return f"The result of step {reference.step_id!r}{at}"


def _filled(value: Any, values: Mapping[Reference, str]) -> Any:
    if isinstance(value, dict):
        if RESULT in value:
            return json.loads(values[_parse(value, "")])
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value
