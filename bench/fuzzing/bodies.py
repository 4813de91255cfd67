"""Hostile bodies by size, depth, count, type and encoding, for every operation that takes one."""

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from bench.fuzzing import texts
from bench.fuzzing.operations import Operation, encoded, sound_body, step, submission, workflow
from bench.fuzzing.requests import HEAVY, Expected, FuzzedRequest, Generator, Make, Material, request

Text = Callable[[dict[str, object], Random], str]
RARE = HEAVY / 8
MIB = 2**20
BATCH, TASKS, WORKFLOWS = "POST /tasks/batch", "POST /tasks", "POST /workflows"
HEAVY_WORKFLOWS = ("dense", "references", "doubling")
"""Names of the workflows that are large, for whoever waits for their end."""
MEDIA_TYPES = (
    *("text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
    *("application/json; charset=utf-16", "application/problem+json", "APPLICATION/JSON", "json", "a" * 5_000, "*/*"),
)


def of_text(make: Text) -> Make:
    """Return the maker of a sound body of any operation, as the text that `make` makes of it."""

    def generate(material: Material) -> FuzzedRequest:
        operation = material.any_with_body()
        text = make(_sound(operation, material.random), material.random)
        # Lone surrogates cannot stand in UTF-8, but may be tried.
        return request(material, operation, body=text.encode("utf-8", "surrogatepass"))

    return generate


def of_bytes(make: Callable[[bytes, Random], bytes]) -> Make:
    """Return the maker of a sound body of any operation, as the bytes that `make` makes of its bytes."""

    def generate(material: Material) -> FuzzedRequest:
        operation = material.any_with_body()
        body = make(encoded(_sound(operation, material.random)), material.random)
        return request(material, operation, body=body)

    return generate


def sized(make: Callable[[int], bytes], *, share: float) -> Make:
    """Return the maker of a body of this share of the largest that is taken; each is made once, as it takes long."""

    def generate(material: Material) -> FuzzedRequest:
        operation = material.any_with_body()
        return request(material, operation, body=make(int(operation.largest_body * share)))

    return generate


def of(name: str, make: Callable[[Random], bytes]) -> Make:
    """Return the maker of a body for this operation."""
    return lambda material: request(material, material.named(name), body=make(material.random))


@cache
def unknown_keys(size: int) -> bytes:
    """Return an object of as many unknown keys as fit."""
    count = size // (6 + len(str(size // 12)))
    return texts.with_members({"task_name": "celeriac.echo"}, texts.many_keys(count)).encode()


@cache
def one_list(size: int) -> bytes:
    """Return an object with one long list of nothing."""
    return f'{{"tasks":{texts.wide(size // 3, "[]")},"steps":[],"name":"x"}}'.encode()


@cache
def unsound_items(size: int) -> bytes:
    """Return a list of items each of which would be an error of its own."""
    item = '{"task_name":1}'
    return f'{{"tasks":{texts.wide(size // 16, item)}}}'.encode()


@cache
def one_text(size: int) -> bytes:
    """Return a body with one long text."""
    return encoded({"task_name": "celeriac.echo", "task_args": ["x" * (size - 60)]})


@cache
def small_arguments(size: int) -> bytes:
    """Return a body that is sound but for its size: arguments of many small values."""
    return encoded({"task_name": "celeriac.echo", "task_args": [[]] * (size // 4 - 20)})


@cache
def too_large(size: int) -> bytes:
    """Return a body beyond every bound."""
    return b'{"task_name":"' + b"x" * size + b'"}'


@cache
def bomb(mebibytes: int) -> bytes:
    """Return blanks that unpack to so many MiB."""
    return gzip.compress(b" " * (mebibytes * MIB), 9, mtime=0)


@cache
def many_tasks(count: int) -> bytes:
    """Return a batch of so many tasks."""
    return encoded({"tasks": [{"task_name": "celeriac.echo"}] * count})


@cache
def dense(steps: int) -> bytes:
    """Return a workflow in which each step needs all before it."""
    ids = [f"s{number}" for number in range(steps)]
    return encoded(workflow([step(each, *ids[:number]) for number, each in enumerate(ids)], name="dense"))


@cache
def circle(steps: int) -> bytes:
    """Return a workflow whose steps wait for each other in a circle."""
    return encoded(workflow([step(f"s{number}", f"s{(number + 1) % steps}") for number in range(steps)]))


@cache
def references(count: int, *, size: int, pointer: bool) -> bytes:
    """Return a workflow in which one step asks so many times for a result of so many bytes."""
    first = step("a", args=[[0] * (size // 3)] if pointer else ["x" * size])
    asked = [{"$result": "a", "pointer": f"/args/0/{n}"} if pointer else {"$result": "a"} for n in range(count)]
    return encoded(workflow([first, step("b", args=asked)], name="references"))


@cache
def doubling(generations: int) -> bytes:
    """Return a workflow in which each step passes on twice what it got: references multiplied by references."""
    first = step("s0", args=["x" * 100])
    later = [step(f"s{n}", args=[{"$result": f"s{n - 1}"}] * 2) for n in range(1, generations)]
    return encoded(workflow([first, *later], name="doubling"))


def _sound(operation: Operation, random: Random) -> dict[str, object]:
    return sound_body(operation, random) or {}


def _reserved_queue(material: Material) -> FuzzedRequest:
    """Send it through each door that takes the name of a queue."""
    random = material.random
    name = random.choice(texts.RESERVED_NAMES)
    queue = {"queue_name": name} | ({"priority": 10} if random.random() < 0.5 else {})
    bodies: Mapping[str, object] = {
        TASKS: submission(random) | queue,
        BATCH: {"tasks": [submission(random), submission(random) | queue]},
        WORKFLOWS: workflow([step("a") | queue]),
        "POST /tasks/{task_id}/replay": queue,
        "POST /resilience/degradation/mark": {
            "service_name": f"queue:{name}",
            "strategy": "queue_only",
            "duration_seconds": 1,
        },
    }
    chosen = random.choice(list(bodies))
    return request(material, material.named(chosen), body=encoded(bodies[chosen]))


def _media_type(material: Material) -> FuzzedRequest:
    operation = material.any_with_body()
    media_type = material.random.choice((*MEDIA_TYPES, None))
    return request(material, operation, body=encoded(_sound(operation, material.random)), content_type=media_type)


def _encoding(material: Material) -> FuzzedRequest:
    operation = material.any_with_body()
    body = json.dumps(_sound(operation, material.random))
    encoding = material.random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037"))
    return request(material, operation, body=body.encode(encoding))


def _compressed(material: Material) -> FuzzedRequest:
    """16 MiB of blanks in 16 KB, or a sound body, under a name that is true or is not."""
    operation = material.any_with_body()
    sound = gzip.compress(encoded(_sound(operation, material.random)), mtime=0)
    body = material.random.choice((bomb(16), sound))
    name = material.random.choice(("gzip", "deflate", "br", "identity", "gzip, gzip", "x"))
    return request(material, operation, body=body, headers=[("Content-Encoding", name)])


def _chunked(material: Material) -> FuzzedRequest:
    """Send it as it should be, in chunks of a few bytes."""
    operation = material.any_with_body()
    body, size = encoded(_sound(operation, material.random)), material.random.choice((1, 7, 4_096))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    raw = b"".join(b"%x;extension=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: x\r\n\r\n"
    return request(material, operation, body=raw, headers=[("Transfer-Encoding", "chunked")])


def _chunked_too_large(material: Material) -> FuzzedRequest:
    """Send a body beyond the bound whose length is not announced."""
    operation = material.any_with_body()
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    raw = chunk * (operation.largest_body // 65_536 + 2) + b"0\r\n\r\n"
    headers = [("Transfer-Encoding", "chunked")]
    return request(material, operation, body=raw, headers=headers, expected=Expected.REFUSED)


def _badly_chunked(material: Material) -> FuzzedRequest:
    operation = material.any_with_body()
    size = material.random.choice((b"zz", b"-1", b"ffffffffffffffffff", b"5", b"", b"0x5", b" 5"))
    body = size + b"\r\n{}\r\n0\r\n\r\n"
    headers = [
        ("Transfer-Encoding", material.random.choice(("chunked", "gzip, chunked", "chunked, chunked", "xchunked")))
    ]
    return request(material, operation, body=body, headers=headers, expected=Expected.ANYTHING)


def _wrong_length(material: Material) -> FuzzedRequest:
    """Shorter than the body, whose rest then is a request of its own; or a length that is none."""
    operation = material.any_with_body()
    body = encoded(_sound(operation, material.random))
    length = material.random.choice(("0", "1", str(len(body) // 2), "-1", "+2", "2, 2", "1e3", "9" * 30, "0x10", ""))
    return request(material, operation, body=body, headers=[("Content-Length", length)], expected=Expected.ANYTHING)


def _too_long_a_length(material: Material) -> FuzzedRequest:
    """More is promised than is sent."""
    operation = material.any_with_body()
    body = encoded(_sound(operation, material.random))
    length = str(len(body) + material.random.choice((1, 1_000)))
    return request(material, operation, body=body, headers=[("Content-Length", length)], expected=Expected.NOTHING)


def _too_large(material: Material) -> FuzzedRequest:
    operation = material.any_with_body()
    return request(material, operation, body=too_large(operation.largest_body), expected=Expected.REFUSED)


BODIES: Mapping[str, Generator] = {
    "sound body": Generator(of_text(lambda body, _: json.dumps(body)), 2),
    "hostile value": Generator(of_text(lambda body, random: texts.with_value(body, random, text=_scalar(random))), 8),
    "hostile key": Generator(of_text(lambda body, random: texts.with_key(body, random, text=_scalar(random))), 2),
    "missing key": Generator(of_text(texts.without_key), 2),
    "another value": Generator(of_text(lambda _, random: _scalar(random)), 2),
    "deep value": Generator(
        of_text(lambda body, random: texts.with_value(body, random, text=texts.deep_value(random)))
    ),
    "deep body": Generator(of_text(lambda _, random: texts.deep_value(random))),
    "wide value": Generator(of_text(lambda body, random: texts.with_value(body, random, text=texts.wide(5_000, "{}")))),
    "long text": Generator(of_text(lambda body, random: texts.with_value(body, random, text='"' + "x" * 50_000 + '"'))),
    "unknown keys": Generator(
        of_text(lambda body, random: texts.with_members(body, texts.many_keys(random.choice((1, 30, 3_000)))))
    ),
    "repeated keys": Generator(
        of_text(lambda body, _: texts.with_members(body, ",".join([json.dumps(body)[1:-1]] * 50)))
    ),
    "truncated": Generator(of_bytes(lambda raw, random: raw[: random.randrange(len(raw))]), 2),
    "spoilt bytes": Generator(of_bytes(texts.spoilt), 6),
    "another encoding": Generator(_encoding),
    "another media type": Generator(_media_type),
    "compressed": Generator(_compressed, 0.5),
    "chunked": Generator(_chunked),
    "badly chunked": Generator(_badly_chunked),
    "wrong length": Generator(_wrong_length),
    "length beyond the body": Generator(_too_long_a_length, 0.1),
    "reserved queue": Generator(_reserved_queue, 2),
    "circle of steps": Generator(of(WORKFLOWS, lambda random: circle(random.choice((1, 2, 1_000)))), 0.2),
    "dense steps within bounds": Generator(of(WORKFLOWS, lambda _: dense(60)), HEAVY / 2),
    "dense steps": Generator(of(WORKFLOWS, lambda _: dense(1_000)), RARE),
    "references to a large result": Generator(
        of(WORKFLOWS, lambda _: references(600, size=900_000, pointer=False)), RARE
    ),
    "pointers into a large result": Generator(
        of(WORKFLOWS, lambda _: references(1_200, size=420_000, pointer=True)), RARE
    ),
    "many references": Generator(of(WORKFLOWS, lambda _: references(60_000, size=100, pointer=False)), RARE),
    "doubling references": Generator(of(WORKFLOWS, lambda _: doubling(30)), RARE),
    "unknown keys only": Generator(sized(unknown_keys, share=0.9), RARE),
    "one list": Generator(sized(one_list, share=0.9), RARE),
    "unsound items": Generator(sized(unsound_items, share=0.9), RARE),
    "one text": Generator(sized(one_text, share=0.9), RARE),
    "small arguments": Generator(sized(small_arguments, share=0.49), RARE),
    "more tasks than a batch may have": Generator(of(BATCH, lambda _: many_tasks(10_001)), RARE),
    "body too large": Generator(_too_large, RARE),
    "chunks too large": Generator(_chunked_too_large, RARE),
}
"""The generators by name. What is rarer than `HEAVY` is as large as it may be."""


def _scalar(random: Random) -> str:
    return random.choice(texts.SCALARS)
