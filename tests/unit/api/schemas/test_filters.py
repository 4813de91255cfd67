from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from api.schemas.filters import ExportQuery, TaskFilters, TaskQuery
from api.schemas.presets import PresetSubmission
from domain.filters import Sort, TaskFilter
from domain.presets import BUILT_IN
from domain.search_text import Term
from domain.states import Status

WORKER = UUID("01985a2c-7d1e-7c3a-b2f0-5d2f7c1e9a44")


def test_a_query_string_and_a_body_say_the_same() -> None:
    query = TaskQuery.model_validate({"status": ["FAILED"], "priority": "8", "min_duration": "1.5", "search": "pay"})
    body = TaskFilters.model_validate({"status": "FAILED", "priority": 8, "min_duration": 1.5, "search": "pay"})
    assert query.as_filter() == body.as_filter()
    assert body.as_filter() == TaskFilter(
        statuses=(Status.FAILED,), priority=8, min_duration=1.5, search=((Term(("pay",)),),)
    )


def test_nothing_given_is_no_condition() -> None:
    assert TaskQuery().as_filter() == TaskFilter()
    assert TaskFilters(search="  ", error="").as_filter() == TaskFilters(search="").as_filter() == TaskFilter()


def test_a_search_without_a_word_is_one_that_finds_nothing() -> None:
    assert TaskFilters(search=" ! ").as_filter() == TaskFilter(search=())
    assert TaskQuery().sort() == Sort()


def test_a_body_is_taken_literally() -> None:
    for wrong in ({"priority": "8"}, {"min_duration": "1"}, {"limit": 5}, {"surplus": 1}, {"status": ["failed"]}):
        with pytest.raises(ValidationError):
            TaskFilters.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 11},
        {"min_priority": 0},
        {"min_duration": -1},
        {"max_duration": float("inf")},
        {"max_duration": float("nan")},
        {"created_after": "yesterday"},
        {"started_before": "2026-01-24T12:00:00"},
        {"workflow_id": "five"},
        {"search": "x" * 501},
        {"task_name": "a\x00"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TaskFilters.model_validate(wrong)


def test_a_worker_is_named_by_id_or_by_hostname() -> None:
    by_id, by_hostname = (TaskFilters(worker_id=name).as_filter() for name in (str(WORKER), "compute-1"))
    assert (by_id.worker_id, by_id.node) == (WORKER, None)
    assert (by_hostname.worker_id, by_hostname.node) == (None, "celery@compute-1")


def test_relative_times_count_from_now_and_dates_begin_in_utc() -> None:
    filters = TaskFilters(
        completed_after="-24h", created_before="2026-01-24", started_after="2026-01-24T01:00:00+01:00"
    )
    before = datetime.now(UTC) - timedelta(hours=24)
    wanted = filters.as_filter()
    assert wanted.completed_after is not None
    assert before <= wanted.completed_after <= datetime.now(UTC) - timedelta(hours=24)
    assert wanted.created_before == wanted.started_after == datetime(2026, 1, 24, tzinfo=UTC)


def test_an_export_has_no_limit_unless_one_is_given() -> None:
    assert ExportQuery().limit is None
    assert ExportQuery.model_validate({"limit": "200000"}).limit == 200_000


@pytest.mark.parametrize("preset", BUILT_IN, ids=lambda preset: preset.name)
def test_what_ships_with_celeriac_is_written_in_the_same_grammar(preset: object) -> None:
    assert TaskFilters.model_validate(preset.filters).as_filter() != TaskFilter()  # type: ignore[attr-defined]


def test_a_preset_keeps_its_filters_as_they_were_written() -> None:
    filters = {"status": ["FAILED"], "created_after": "-7d", "min_duration": 2, "workflow_id": str(WORKER)}
    preset = PresetSubmission.model_validate({"name": "mine", "filters": filters}).as_preset()
    assert preset.filters == filters
