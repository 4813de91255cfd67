"""`{"$result": "extract", "pointer": "/rows"}`: where a step's arguments stand for the result of another step.

Finding them, following a JSON pointer (RFC 6901) into a result, and putting the values in their place. A few bytes of
references can stand for any number of megabytes, so everything is counted before it is made.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest
from domain.json_values import MAX_DEPTH, MAX_SEGMENT_LENGTH, check_json, segments_of
from domain.payloads import is_encrypted
from domain.submissions import MAX_ARGUMENT_BYTES

RESULT = "$result"
POINTER = "pointer"
MAX_REFERENCES = 1_000
"""The most references in the arguments of one step."""
MAX_POINTER_LENGTH = 1_024
MAX_POINTER_DEPTH = MAX_DEPTH
MAX_READ_BYTES = 32 * 1024 * 1024
"""Results of one step's references, read together: to parse so much takes half a second."""
SHOWN = 100
"""Characters of a pointer that an error shows."""
TOO_LARGE = "With the results in their places the arguments are larger than 1 MiB together."

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
                if item and isinstance(item, dict | list):
                    yield from find(item, f"{place}.{key[:MAX_SEGMENT_LENGTH]}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if item and isinstance(item, dict | list):
                yield from find(item, f"{place}.{number}")


def references_in(*arguments: str) -> Counter[Reference]:
    """Count the references in JSON texts that `find` has accepted.

    Raises NotResolved beyond `MAX_REFERENCES`: what was stored by an older version may hold more.
    """
    counts: Counter[Reference] = Counter()
    for number, reference in enumerate(_each_in(arguments), start=1):
        if number > MAX_REFERENCES:
            raise NotResolved(f"The arguments refer to results more than {MAX_REFERENCES:,} times.")
        counts[reference] += 1
    return counts


class Result:
    """What a step has returned, as JSON text; parsed once, when the first pointer leads into it."""

    __slots__ = ("_parsed", "step_id", "text")

    def __init__(self, step_id: str, text: str) -> None:
        self.step_id = step_id
        self.text = text
        self._parsed: list[Any] = []

    def read(self, reference: Reference) -> str:
        """What the reference stands for, as JSON text; raises NotResolved."""
        text = json.dumps(_follow(reference, self._value())) if reference.pointer else self.text
        if len(text) > MAX_ARGUMENT_BYTES:
            raise NotResolved(f"{_text_of(reference)} is larger than 1 MiB.")
        return text

    def _value(self) -> Any:
        if not self._parsed:
            try:
                self._parsed.append(json.loads(self.text))
            except RecursionError:
                raise NotResolved(f"The result of step {self.step_id!r} is nested too deeply.") from None
            except (ValueError, MemoryError) as error:
                raise NotResolved(f"The result of step {self.step_id!r} cannot be read: {error}.") from None
        return self._parsed[0]


class Filling:
    """The references of one step, and what they stand for as far as it was read: never more than arguments may hold."""

    __slots__ = ("_read", "_wanted", "missing", "size", "texts")

    def __init__(self, counts: Mapping[Reference, int]) -> None:
        """`counts`: each reference with how often it stands in the arguments."""
        self._wanted = counts
        self._read = 0
        self.texts: dict[Reference, str] = {}
        """JSON texts."""
        self.size = 0
        """The size of all that is found, at every place where it will stand."""
        self.missing: dict[str, list[Reference]] = {}
        """The references to results that were not read yet, by step."""
        for reference in counts:
            self.missing.setdefault(reference.step_id, []).append(reference)

    def take(self, result: Result) -> None:
        """Read what refers to this result; raises NotResolved, before anything large is made."""
        self._read += len(result.text)
        if self._read > MAX_READ_BYTES:
            raise NotResolved(f"The results that it refers to are larger than {MAX_READ_BYTES >> 20} MiB together.")
        for reference in self.missing.pop(result.step_id):
            text = result.read(reference)
            self.size += len(text) * self._wanted[reference]
            if self.size > MAX_ARGUMENT_BYTES:
                raise NotResolved(TOO_LARGE)
            self.texts[reference] = text


def fill(arguments: str, values: Mapping[Reference, str]) -> str:
    """Return the arguments as JSON text with the value of each reference in its place; `values` holds them all.

    The caller has counted them (`Filling`). Raises NotResolved if no task may be given what comes out.
    """
    try:
        filled = _filled(json.loads(arguments), values)
        check_json(filled)
        return json.dumps(filled)
    except (ValueError, MemoryError) as error:
        raise NotResolved(f"The results cannot be passed on: {error}.") from None
    except RecursionError:
        raise NotResolved("The results cannot be passed on: nested too deeply.") from None


def check_filled(args: str, kwargs: str) -> None:
    """Raises NotResolved if these are too large together."""
    if len(args) + len(kwargs) > MAX_ARGUMENT_BYTES:
        raise NotResolved(TOO_LARGE)


def _each_in(arguments: Iterable[str]) -> Iterator[Reference]:
    for text in arguments:
        if f'"{RESULT}"' in text:
            try:
                yield from (reference for _, reference in find(json.loads(text), ""))
            except InvalidRequest as error:
                raise NotResolved(f"The arguments hold a reference that cannot be followed: {error}") from None


def _parse(value: Mapping[str, Any], place: str) -> Reference:
    step_id, pointer = value[RESULT], value.get(POINTER, "")
    if value.keys() - {RESULT, POINTER}:
        raise InvalidRequest.of_field(place, f'may hold only "{RESULT}" and "{POINTER}"')
    if not isinstance(step_id, str):
        raise InvalidRequest.of_field(place, f'"{RESULT}" must be the id of a step')
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")) or _BAD_ESCAPE.search(pointer):
        raise InvalidRequest.of_field(place, f'"{POINTER}" must be a JSON pointer (RFC 6901), e.g. "/rows/0"')
    if len(pointer) > MAX_POINTER_LENGTH or pointer.count("/") > MAX_POINTER_DEPTH:
        raise InvalidRequest.of_field(
            place, f'"{POINTER}" must have at most {MAX_POINTER_LENGTH:,} characters and {MAX_POINTER_DEPTH} parts'
        )
    return Reference(step_id, pointer)


def _follow(reference: Reference, result: Any) -> Any:
    for token in segments_of(reference.pointer):
        if isinstance(result, dict) and token in result:
            result = result[token]
        elif isinstance(result, list) and _INDEX.fullmatch(token) and int(token) < len(result):
            result = result[int(token)]
        elif is_encrypted(result):
            raise NotResolved(f"{_text_of(reference)} is encrypted: it can be passed on only as a whole.")
        else:
            raise NotResolved(f"{_text_of(reference)} is absent: there is no {token[:SHOWN]!r}.")
    return result


def _text_of(reference: Reference) -> str:
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
