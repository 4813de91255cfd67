import pytest

from domain.promises import PROMISES, FleetWorker, Holds, WorkerKind, by_queue, extent_of

BY_WORD = {promise.word: promise for promise in PROMISES}


def consumer(*queues: str, plugin: bool = False, events: bool | None = True, **more: bool) -> FleetWorker:
    return FleetWorker(node="n", queues=queues or ("q",), plugin="1" if plugin else None, events=events, **more)


def test_every_promise_says_something_of_every_kind() -> None:
    assert all(set(promise.says) == set(WorkerKind) for promise in PROMISES)


@pytest.mark.parametrize(
    ("consumers", "word", "holds"),
    [
        ([], "seen", Holds.NO),
        ([consumer(plugin=True)], "once", Holds.YES),
        ([consumer(plugin=True), consumer()], "once", Holds.NO),
        ([consumer(plugin=True), consumer()], "cancel", Holds.PARTLY),
        ([consumer(plugin=True, events=False)], "seen", Holds.NO),
        ([consumer(plugin=True, events=False)], "cancel", Holds.YES),
        ([consumer(plugin=True, gated=False)], "cancel", Holds.PARTLY),
        ([consumer(events=None)], "seen", Holds.UNKNOWN),
        ([consumer(events=False)], "seen", Holds.NO),
        ([consumer(answers=False)], "pause", Holds.NO),
        ([consumer(answers=False)], "cancel", Holds.PARTLY),
    ],
)
def test_a_queue_is_as_good_as_its_weakest_consumer(consumers: list[FleetWorker], word: str, holds: Holds) -> None:
    assert extent_of(BY_WORD[word], consumers) is holds


def test_consumers_are_told_by_queue() -> None:
    one, two = consumer("b", "a"), consumer("b")
    assert by_queue([one, two]) == {"a": [one], "b": [one, two]}
