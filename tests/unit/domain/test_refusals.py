from datetime import timedelta

from domain.refusals import AWAITING_PAUSE, PARKED_AFTER, PARKED_PAUSE, Refusal, is_parked, pause_after

REFUSED = Refusal("WRONGTYPE")


def test_pauses_grow_until_the_task_is_parked() -> None:
    pauses = [pause_after(refusals, REFUSED) for refusals in range(1, PARKED_AFTER + 2)]
    assert pauses == [*(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)), PARKED_PAUSE, PARKED_PAUSE]
    assert [is_parked(refusals) for refusals in range(1, PARKED_AFTER + 1)] == [False] * 4 + [True]


def test_what_only_waits_for_its_queue_is_tried_more_often() -> None:
    awaiting = Refusal("no queue", awaits_queue=True)
    assert [pause_after(refusals, awaiting) for refusals in (1, PARKED_AFTER)] == [timedelta(seconds=1), AWAITING_PAUSE]
