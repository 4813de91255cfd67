import pytest

from domain.priority import Transport, message_priority

PRIORITIES = range(1, 11)


def test_rabbitmq_counts_as_we_do() -> None:
    assert [message_priority(priority, Transport.AMQP) for priority in PRIORITIES] == list(PRIORITIES)


def test_redis_gets_only_the_steps_that_every_worker_reads() -> None:
    assert [message_priority(priority, Transport.REDIS) for priority in PRIORITIES] == [9, 6, 6, 6, 3, 3, 3, 0, 0, 0]


def test_redis_gets_all_ten_steps_where_every_consumer_reads_them() -> None:
    steps = [message_priority(priority, Transport.REDIS, ten_steps=True) for priority in PRIORITIES]
    assert steps == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("ten_steps", [False, True])
def test_a_more_urgent_task_is_never_behind_a_less_urgent_one(ten_steps: bool) -> None:
    steps = [message_priority(priority, Transport.REDIS, ten_steps=ten_steps) for priority in PRIORITIES]
    assert steps == sorted(steps, reverse=True)
