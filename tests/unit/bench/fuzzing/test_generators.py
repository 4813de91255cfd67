"""Generators of hostile requests and events: all of them work, and the same seed makes the same."""

import json
from random import Random

import pytest

from api.app import create_app
from bench.fuzzing.bodies import BODIES
from bench.fuzzing.channels import envelope, hostile_envelope
from bench.fuzzing.events import EVENTS, Targets, life_of
from bench.fuzzing.operations import SOUND, KnownIds, Operation, operations_of
from bench.fuzzing.requests import Expected, Generator, Material
from bench.fuzzing.volley import GENERATORS, each, mixed, names_of, seed_for
from gateway.events.sources import EventMessage, RedisEvents
from mirror.decode import decode
from settings import Settings
from tests.facts import NOON
from tests.raised import raised_by

FEW = 5


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    settings = Settings(database_url="postgresql://", broker_url="redis://", redis_url="redis://")
    return operations_of(create_app(settings).openapi())


@pytest.fixture
def material(operations: list[Operation]) -> Material:
    return Material(Random(1), operations, KnownIds(task_ids=["a"], workflow_ids=["b"]), "127.0.0.1:8000")


def targets() -> Targets:
    return Targets(Random(1), task_ids=["a"], nodes=["worker-1@host"])


def test_every_operation_that_takes_a_body_has_a_sound_one(operations: list[Operation]) -> None:
    assert sorted(SOUND) == sorted(each.name for each in operations if each.takes_body)


@pytest.mark.parametrize("name", names_of(heavy=False))
def test_a_request_is_bytes_and_says_what_is_owed_for_it(name: str, material: Material) -> None:
    for _ in range(FEW):
        made = GENERATORS[name].make(material)
        assert made.raw
        assert made.operation or made.expected is not Expected.DOCUMENTED or made.raw.split(b" ")[1].startswith(b"/")


def test_the_same_seed_makes_the_same_requests(operations: list[Operation]) -> None:
    known = KnownIds(task_ids=["a"], workflow_ids=["b"])
    first, second = (
        [made.raw for _, made in mixed(Material(seed_for(7, "x"), operations, known, "a:1"), 200)] for _ in range(2)
    )
    assert first == second
    assert first != [made.raw for _, made in mixed(Material(seed_for(8, "x"), operations, known, "a:1"), 200)]


def test_as_many_of_each_kind_are_made_as_were_asked_for(material: Material) -> None:
    names = ["hostile path", "forged cursor"]
    made = [name for name, _ in each(names, material, count=FEW)]
    assert sorted(made) == sorted(names * FEW)


def test_bodies_that_are_as_large_as_may_be_are_within_the_bound(material: Material) -> None:
    for name in ("unknown keys only", "one list", "unsound items", "one text"):
        made = GENERATORS[name].make(material)
        assert made.operation is not None
        assert made.operation.largest_body * 0.75 < len(made.raw) < made.operation.largest_body, name


def test_a_generator_of_large_bodies_is_drawn_seldom() -> None:
    assert all(isinstance(generator, Generator) for generator in BODIES.values())
    heavy = sum(GENERATORS[name].weight for name in names_of(heavy=True))
    assert heavy < sum(generator.weight for generator in GENERATORS.values()) / 200


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_bytes_that_the_mirror_outlives(name: str) -> None:
    chosen = targets()
    for _ in range(FEW):
        assert raised_by(decode, [EventMessage(EVENTS[name].make(chosen), NOON)]) is None


def test_a_life_completes_its_task() -> None:
    decoded = decode([EventMessage(body, NOON) for body in life_of("some-task")])
    assert (decoded.refused, decoded.ended) == (0, ["some-task"])


def test_an_envelope_is_one_that_the_mirror_opens() -> None:
    ear = RedisEvents("redis://127.0.0.1:1/0")
    message = {"type": "pmessage", "data": json.dumps(envelope(b"[1]")).encode()}
    assert ear._unpack(message) == [b"[1]"]


def test_hostile_envelopes_are_bytes() -> None:
    random = Random(1)
    assert all(isinstance(hostile_envelope(b"{}", random), bytes) for _ in range(200))
