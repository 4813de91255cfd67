from uuid import UUID

import pytest

from domain.live import MAX_TOPICS, Topic, Topics, read_topics

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
