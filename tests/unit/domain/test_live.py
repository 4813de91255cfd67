from uuid import UUID

import pytest

from domain.live import MAX_TOPICS, Pace, Rates, Topic, Topics, read_topics
from domain.rollups import Measure

WORKFLOW = UUID("01890000-0000-7000-8000-000000000001")


def test_topics_are_read_from_lists_and_told_in_one_order() -> None:
    topics = read_topics(["tasks,pulse", f"task:b:1,task:a,workflow:{WORKFLOW}", "tasks"])
    assert topics == Topics(
        frozenset({Topic.PULSE, Topic.TASKS}), task_ids=frozenset({"a", "b:1"}), workflow_ids=frozenset({WORKFLOW})
    )
    assert topics.names == ("pulse", "tasks", "task:a", "task:b:1", f"workflow:{WORKFLOW}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is none of pulse, tasks"),
        ("pulse,", "is none of"),
        ("TASKS", "is none of"),
        ("task:", "ids of 1 to 1024"),
        ("task:" + "x" * 1025, "ids of 1 to 1024"),
        ("task:\x00", "cannot be stored"),
        ("workflow:1", "as a UUID"),
        (",".join(f"task:{number}" for number in range(MAX_TOPICS + 1)), "more than 50"),
    ],
)
def test_what_is_no_topic_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_topics([text])


def totals(completed: int, failed: int) -> dict[Measure, int]:
    return {Measure.COMPLETED: completed, Measure.FAILED: failed}


def test_rates_are_those_of_the_last_minute_and_do_not_jump() -> None:
    pace = Pace()
    assert pace.add(totals(100, 5), at_seconds=10.0) is None
    assert pace.add(totals(110, 5), at_seconds=12.9) is None
    assert pace.add(totals(140, 7), at_seconds=14.0) == Rates(done=10.0, failed=0.5)
    # Nothing more ends for half a minute: the work before is not forgotten.
    assert pace.add(totals(140, 7), at_seconds=50.0) == Rates(done=1.0, failed=0.05)
    assert pace.add(totals(140, 4), at_seconds=70.0) == Rates(done=0.67, failed=0.0)
    # A minute after the last end there is none left.
    assert pace.add(totals(140, 4), at_seconds=74.0) == Rates(done=0.0, failed=0.0)
    assert pace.add(totals(900, 4), at_seconds=140.0) is None
