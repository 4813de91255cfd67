import pytest

from domain.exceptions import WRAPPER, told_exception

TRACE = 'Traceback (most recent call last):\n  File "/x/pool.py", line 745, in on_hard_timeout\n    raise X(1)\n'


@pytest.mark.parametrize(
    ("traceback", "told"),
    [
        (TRACE + "billiard.exceptions.TimeLimitExceeded: TimeLimitExceeded(1,)\n", "TimeLimitExceeded: 1"),
        (TRACE + "billiard.exceptions.TimeLimitExceeded: TimeLimitExceeded(0.5,)", "TimeLimitExceeded: 0.5"),
        (
            TRACE + "billiard.exceptions.WorkerLostError: Worker exited: 9. Job: 1.\n",
            "WorkerLostError: Worker exited: 9. Job: 1.",
        ),
        (TRACE + "ValueError: two\n  lines: of it", "ValueError: two"),
        (TRACE + "KeyError: KeyErrors are no KeyError()", "KeyError: KeyErrors are no KeyError()"),
        (TRACE, None),
        ("", None),
        (None, None),
    ],
)
def test_what_celery_wraps_is_read_from_its_traceback(traceback: str | None, told: str | None) -> None:
    assert told_exception(WRAPPER, traceback) == told


@pytest.mark.parametrize("exception", [None, "ValueError('x')", ""])
def test_what_celery_says_well_is_left_as_it_is(exception: str | None) -> None:
    assert told_exception(exception, TRACE + "ValueError: other") == exception
