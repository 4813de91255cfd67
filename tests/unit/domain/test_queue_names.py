import gc
import tracemalloc

import pytest

from domain.queue_names import check_queue_name, flaw_of
from tests.raised import raised_by

ORDINARY = [
    "celery",
    "a",
    "high:priority",
    "acme/eu-west",
    "{app}:default",
    "mail queue",
    "übersetzung",
    "prio#1",
    "prio:3",
    "a,b",
    "/home/jobs",
    "celery@host.dq2",
    "bcast.0b1c",
    "celeriac",
    "celeriac.priority",
    "celery-tasks",
    "celery-beat",
    "acked",
    "unpacked",
    "tasks.unacknowledged",
    "my_kombu.tasks",
    "pidbox-cleanup",
    "chord-parts",
    "chords",
    "amqp.in",
    "default@eu|west?*",
    "日本語",
    "q" * 255,
    "ü" * 127,
]
KEYS = [
    "_kombu.binding.celery",
    "_kombu.binding_deadlines",
    "_kombu.binding_permanent.celeryev",
    "_kombu.anything",
    "tenant_kombu.binding.celery",
    "unacked",
    "unacked_index",
    "unacked_mutex",
    "unacked_of_worker_7",
    "tenant:unacked",
    "worker7_unacked_index",
    "celeryev",
    "celeryev.5f0c",
    "tenant:celeryev",
    "celery-task-meta-5f0c",
    "celery-taskset-meta-5f0c.j",
    "tenant_celery-task-meta-5f0c",
    "chord-unlock-5f0c",
    "celery.pidbox",
    "reply.celery.pidbox",
    "worker-1@host.celery.pidbox",
    "5f0c.reply.celery.pidbox",
    "celery_delayed_27",
    "eu_celery_delayed_delivery",
    "amq.direct",
    "amq.gen-5f0c",
    "amq.rabbitmq.reply-to.5f0c",
    "/0.celeryev",
    "/15.celery.pidbox",
    "/{db}.celeryev",
    "celeriac:events",
    "celeriac:cancelled:5f0c",
    "{celeriac:answers}:bodies",
    "celeriac.events",
    "celeriac.events.witness",
]


@pytest.mark.parametrize("name", ORDINARY)
def test_a_queue_may_have_the_name(name: str) -> None:
    assert raised_by(check_queue_name, name) is None


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_kombu_celery_or_ours_is_no_queue(name: str) -> None:
    assert flaw_of(name) == "is a key of kombu, Celery or Celeriac, and no queue"


@pytest.mark.parametrize("name", ["", "q" * 256, "ü" * 128, "日" * 86])
def test_a_name_has_1_to_255_bytes(name: str) -> None:
    assert flaw_of(name) == "takes 1 to 255 bytes"


@pytest.mark.parametrize("name", ["celery\x06\x163", "a\nb", "\x7f", "a\x85b", "\ta"])
def test_control_characters_and_with_them_kombus_separator_are_refused(name: str) -> None:
    assert flaw_of(name) == "holds a control character"


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800"])
def test_what_cannot_be_stored_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be stored|is not a character"):
        check_queue_name(name)


def test_what_is_far_too_long_is_not_remembered() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(50):
            assert flaw_of(f"{number}" * 1_000_000) == "takes 1 to 255 bytes"
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
