"""Fuzzed requests as the bytes that go over the wire, each with what may be answered.

Bodies are made in `bodies.py`, heads in `heads.py`; this module knows what both are made of and which there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from urllib.parse import quote

from bench.fuzzing.operations import API, WORKER, KnownIds, Operation, filled

HEAD_METHOD = "HEAD"


class Expected(Enum):
    """What the server owes for a request."""

    DOCUMENTED = "an answer that /openapi.json shows"
    REFUSED = "an error in whatever form, or a closed connection: a server may not take this"
    ANYTHING = "any answer but a server error, or a closed connection: this is hardly HTTP"
    NOTHING = "nothing: it is unfinished"


@dataclass(frozen=True, slots=True)
class FuzzedRequest:
    """One request, with what may be answered."""

    raw: bytes
    expected: Expected = Expected.DOCUMENTED
    operation: Operation | None = None
    """The operation that it is for; None where the path or the method is none of the API's."""
    method: str = "GET"

    @property
    def alone(self) -> bool:
        """Return whether it wants a connection of its own."""
        return self.expected is not Expected.DOCUMENTED

    @property
    def head_only(self) -> bool:
        """Return whether the answer has no body."""
        return self.method == HEAD_METHOD


@dataclass(slots=True)
class Material:
    """What generators work with: one source of chance, the operations, ids."""

    random: Random
    operations: Sequence[Operation]
    known: KnownIds
    host: str

    def any_operation(self) -> Operation:
        """Draw an operation."""
        return self.random.choice(self.operations)

    def any_with_body(self) -> Operation:
        """Draw an operation that takes a body."""
        return self.random.choice([each for each in self.operations if each.takes_body])

    def named(self, name: str) -> Operation:
        """Return the operation of this name."""
        return next(each for each in self.operations if each.name == name)

    def path(self, operation: Operation) -> str:
        """Return a path that is sound, with what query the operation cannot do without."""
        return filled(operation.path, self.known, random=self.random) + QUERIES.get(operation.name, "")


QUERIES: Mapping[str, str] = {
    "POST /workers": f"?hostname={quote(WORKER, safe='')}",
    "GET /search/tasks/export/csv": "?limit=100",
}
"""Queries that an operation cannot do without, or should not: an export of everything takes its time, and may."""

Headers = Sequence[tuple[str, str | bytes]]
Make = Callable[[Material], FuzzedRequest]


@dataclass(frozen=True, slots=True)
class Generator:
    """A way to be hostile. `weight`: how often it is drawn among the others; large bodies seldom."""

    make: Make
    weight: float = 1.0

    @property
    def is_heavy(self) -> bool:
        """Return whether it takes the server long at best: a few of them tell as much as a thousand."""
        return self.weight < HEAVY


HEAVY = 0.1


def head(method: str, target: str | bytes, *, headers: Headers) -> bytes:
    """Return the line and the headers of a request, as they are given."""
    line = method.encode() + b" " + (target if isinstance(target, bytes) else target.encode()) + b" HTTP/1.1\r\n"
    fields = (name.encode() + b": " + _bytes(value) + b"\r\n" for name, value in headers)
    return line + b"".join(fields) + b"\r\n"


def request(
    material: Material,
    operation: Operation | None,
    *,
    target: str | bytes | None = None,
    method: str | None = None,
    headers: Headers = (),
    body: bytes | None = None,
    content_type: str | None = "application/json",
    expected: Expected = Expected.DOCUMENTED,
) -> FuzzedRequest:
    """Return a request with the headers that a client sends, unless those given name them."""
    method = method or (operation.method if operation else "GET")
    if target is None:
        target = material.path(operation) if operation else f"{API}/tasks"
    named = {name.lower() for name, _ in headers}
    usual: list[tuple[str, str | bytes]] = [("Host", material.host)] if "host" not in named else []
    if body is not None:
        if content_type is not None and "content-type" not in named:
            usual.append(("Content-Type", content_type))
        if not named & {"content-length", "transfer-encoding"}:
            usual.append(("Content-Length", str(len(body))))
    raw = head(method, target, headers=[*usual, *headers]) + (body or b"")
    return FuzzedRequest(raw, expected, operation, method)


def drawn(generators: Mapping[str, Generator], random: Random) -> str:
    """Draw the name of one, by weight."""
    names = list(generators)
    return random.choices(names, [generators[name].weight for name in names])[0]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
