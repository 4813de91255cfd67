"""Workers that people hold back: no failure, and told with who did it."""

from dataclasses import replace

from domain.alerts.conditions import AlertInputs, judge_alerts
from domain.alerts.held import HeldWorker
from domain.alerts.rules import DEFAULT_RULES, AlertType, Severity
from tests.facts import NOON

DRAINED = HeldWorker("worker-1@vm", is_drained=True, at=NOON, by="ops", queues=("etl",), left_last=True)
PAUSED = HeldWorker("worker-2@vm", is_drained=False, at=NOON, by=None, queues=("etl",))
BACK = "(a drained worker of celeriac up comes back when it is resumed)"


def told(inputs: AlertInputs, alert_type: AlertType, *, threshold: float) -> tuple[Severity, str]:
    """How severe the one alert is and what it says."""
    rule = replace(DEFAULT_RULES[alert_type], threshold=threshold, for_seconds=0)
    (found,) = judge_alerts(inputs, {alert_type: rule}, open_alerts=(), pending={}, now=NOON).raised
    return found.rule.severity, found.description


def test_that_the_last_worker_was_drained_is_a_note_and_names_who_did_it() -> None:
    inputs = AlertInputs(waiting={}, held=(DRAINED,))
    assert told(inputs, AlertType.NO_ACTIVE_WORKERS, threshold=1) == (
        Severity.INFO,
        f"Number of online workers fell below 1: worker-1@vm was drained at {NOON:%Y-%m-%d %H:%M} UTC by ops {BACK}",
    )


def test_where_others_are_missed_as_well_it_stays_what_it_is() -> None:
    plain = (Severity.CRITICAL, "Number of online workers fell below 2")
    assert told(AlertInputs(held=(DRAINED,)), AlertType.NO_ACTIVE_WORKERS, threshold=2) == plain
    followed = AlertInputs(online_workers=1, held=(replace(DRAINED, left_last=False),))
    assert told(followed, AlertType.NO_ACTIVE_WORKERS, threshold=2) == plain


def test_a_queue_whose_workers_are_held_back_says_so() -> None:
    waits = AlertInputs(not_picked_up={"etl": 61.0}, held=(PAUSED, replace(DRAINED, queues=("mail",))))
    assert told(replace(waits, stopped={"etl"}), AlertType.TASKS_NOT_PICKED_UP, threshold=60)[1].endswith(
        f"; who consumes it is held back: worker-2@vm was paused at {NOON:%Y-%m-%d %H:%M} UTC"
    )
    gone = replace(waits, unserved={"etl"}, held=(replace(DRAINED, at=None, by=None),))
    assert told(gone, AlertType.TASKS_NOT_PICKED_UP, threshold=60)[1].endswith(
        f"; no online worker consumes it: worker-1@vm was drained {BACK}"
    )
    assert told(replace(waits, unserved={"etl"}, held=()), AlertType.TASKS_NOT_PICKED_UP, threshold=60)[1].endswith(
        "; no online worker consumes it"
    )
