import pytest

from domain.priority import Transport, message_priority, priority_step_for

PRIORITIES = range(1, 11)


def test_rabbitmq_counts_as_we_do() -> None:
    assert [message_priority(priority, Transport.AMQP) for priority in PRIORITIES] == list(PRIORITIES)


def test_redis_counts_the_other_way_round() -> None:
    assert [message_priority(priority, Transport.REDIS) for priority in PRIORITIES] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        ((0, 3, 6, 9), [9, 6, 6, 6, 3, 3, 3, 0, 0, 0]),
        (tuple(range(10)), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ((0,), [0] * 10),
        (tuple(range(1, 11)), [9, 8, 7, 6, 5, 4, 3, 2, 1, 1]),
        ((5, 200), [5] * 10),
    ],
)
def test_a_step_is_one_of_those_that_are_read_and_never_turns_the_order_round(
    steps: tuple[int, ...], taken: list[int]
) -> None:
    lists = {step: f"q{step}" for step in steps}
    assert [priority_step_for(message_priority(priority, Transport.REDIS), lists) for priority in PRIORITIES] == taken
    assert taken == sorted(taken, reverse=True)
