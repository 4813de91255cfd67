"""Every figure of the trends against an independent count over the tasks themselves."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.schemas.analytics import TrendsAnswer
from domain.rollups import Measure
from domain.sight import Limits
from domain.trends import ALL_TASKS, Chosen, Interval, Window
from services.record import record
from services.trends import read_trends
from store.queries import rollups, submissions
from store.queries.for_dashboard import count_totals
from store.queries.windows import NAMES
from tests.courses import Courses, make_courses

COUNT_WHAT_IS_THERE: str = import_module("store.migrations.versions.0004_rollups").COUNT_WHAT_IS_THERE
SUM_UP: str = import_module("store.migrations.versions.0012_coarse_rollups").SUM_UP
SUM_UP_WEEKS: str = import_module("store.migrations.versions.0029_week_rollups").SUM_UP
packing = import_module("store.migrations.versions.0033_packed_durations")
COARSE = ("rollup_days", "rollup_hour_totals", "rollup_hour_histograms", "rollup_weeks", "rollup_p95s")
TASKS = 3_000
HOURS = 50
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 2)
WINDOW = Window.of_last(timedelta(hours=30), now=START + timedelta(hours=HOURS, seconds=1234))


@pytest.fixture(scope="module")
def courses() -> Courses:
    return make_courses(TASKS, start=START, length=timedelta(hours=HOURS))


@pytest.fixture
async def counted(engine: AsyncEngine, courses: Courses) -> AsyncIterator[AsyncConnection]:
    """A connection to a database in which it all happened."""
    for start in range(0, len(courses.submissions), 500):
        async with engine.begin() as connection:
            await submissions.add_submissions(connection, courses.submissions[start : start + 500])
    for batch in courses.batches(300):
        async with engine.begin() as connection:
            await record(connection, batch)
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def fold_all(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await rollups.fold_deltas(connection, batch_size=1_000_000)


FIGURES = """
SELECT {key} AS key,
       count(*) FILTER (WHERE what = 'submitted') AS submitted,
       count(*) FILTER (WHERE what = 'ended' AND status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE what = 'ended' AND status = 'FAILED') AS failed,
       count(*) FILTER (WHERE what = 'ended' AND status = 'CANCELLED') AS cancelled,
       avg(seconds) FILTER (WHERE what = 'started') AS average_wait_seconds,
       avg(seconds) FILTER (WHERE what = 'ended') AS average_duration_seconds,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE what = 'ended') AS p95_duration_seconds,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE what = 'ended') AS p50_duration_seconds
FROM (
    SELECT 'submitted' AS what, created_at AS at, NULL::float8 AS seconds, tasks.* FROM tasks
    UNION ALL
    SELECT 'started', first_started_at,
           greatest(0, extract(epoch FROM first_started_at - greatest(created_at, scheduled_at))), tasks.*
    FROM tasks WHERE first_started_at IS NOT NULL
    UNION ALL
    SELECT 'ended', completed_at, duration_seconds, tasks.* FROM tasks WHERE completed_at IS NOT NULL
) AS happened
WHERE at >= :since AND at <= :until AND {where}
GROUP BY 1 ORDER BY 1
"""


async def truth(
    connection: AsyncConnection, key: str, *, where: str = "true", whole_hours: bool = False
) -> dict[Any, dict[str, Any]]:
    since = WINDOW.since.replace(minute=0) if whole_hours else WINDOW.since
    question = text(FIGURES.format(key=key, where=where))
    rows = await connection.execute(question, {"since": since, "until": WINDOW.until})
    found = [dict(row._mapping) for row in rows]
    return {row.pop("key"): row for row in found}


UNIT = {"minutely": "minute", "hourly": "hour", "daily": "day"}


async def check(
    connection: AsyncConnection, interval: Interval, *, chosen: Chosen = ALL_TASKS, where: str = "true"
) -> None:
    trends = await read_trends(connection, WINDOW, interval=interval, chosen=chosen)
    answer = TrendsAnswer.from_trends(trends, WINDOW, interval=interval).model_dump()
    by_start = {row["bucket"]: row for row in answer["series"]}
    start = f"date_trunc('{UNIT[interval]}', at)"
    is_told = chosen.is_bounded or interval is not Interval.MINUTELY
    await _check_figures(connection, start, rows=by_start, where=where, has_p95=is_told, has_p50=chosen.is_bounded)
    for name in NAMES:
        rows = {row[name]: row for row in answer["by_task" if name == "task_name" else "by_queue"]}
        await _check_figures(connection, name, rows=rows, where=where)
    await _check_whole(connection, answer, where=where)


async def _check_figures(
    connection: AsyncConnection,
    key: str,
    *,
    rows: dict[Any, dict[str, Any]],
    where: str,
    has_p95: bool = True,
    has_p50: bool | None = None,
) -> None:
    true = await truth(connection, key, where=where)
    of_whole_hours = await truth(connection, key, where=where, whole_hours=True)
    assert set(true) == {found for found, row in rows.items() if _happened(row)}
    for found, expected in true.items():
        row, expected = rows[found], dict(expected)
        for percentile, is_told in {"p95_duration_seconds": has_p95, "p50_duration_seconds": has_p50}.items():
            del expected[percentile]
            exact = of_whole_hours[found][percentile] if is_told else None
            if is_told is not None:
                assert row[percentile] == (None if exact is None else pytest.approx(exact, rel=0.05))
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def _happened(row: dict[str, Any]) -> bool:
    waited = row["average_wait_seconds"] is not None
    return waited or any(row[name] for name in ("submitted", "completed", "failed", "cancelled"))


async def _check_whole(connection: AsyncConnection, answer: dict[str, Any], *, where: str) -> None:
    (whole,) = (await truth(connection, "1", where=where)).values()
    assert min(whole["completed"], whole["failed"], whole["cancelled"]) > 10
    rate = 100 * whole["completed"] / (whole["completed"] + whole["failed"])
    assert answer["completion_rate"] == pytest.approx(rate, abs=1e-6)
    assert answer["average_wait_time_seconds"] == pytest.approx(float(whole["average_wait_seconds"]), abs=1e-6)
    bounds = {"since": WINDOW.since, "until": WINDOW.until}
    failures = await connection.execute(
        text(
            "SELECT substring(exception FROM '^[A-Za-z]+'), count(*) FROM tasks "
            f"WHERE status = 'FAILED' AND completed_at BETWEEN :since AND :until AND {where} "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        ),
        bounds,
    )
    expected = [(error, count, pytest.approx(100 * count / whole["failed"])) for error, count in failures]
    assert [(row["error"], row["count"], row["percentage"]) for row in answer["failure_patterns"]] == expected
    peaks = await connection.execute(
        text(
            f"SELECT to_char(created_at, 'HH24:00') FROM tasks WHERE created_at BETWEEN :since AND :until AND {where} "
            "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 5"
        ),
        bounds,
    )
    assert answer["peak_loads"] == [time for (time,) in peaks]


async def test_every_figure_equals_a_count_over_the_tasks_however_much_is_folded(
    engine: AsyncEngine, counted: AsyncConnection
) -> None:
    (waiting,) = (await counted.execute(text("SELECT count(*) FROM rollup_deltas"))).one()
    await check(counted, Interval.HOURLY)
    async with engine.begin() as connection:
        assert await rollups.fold_deltas(connection, batch_size=waiting // 2) == waiting // 2
    await check(counted, Interval.HOURLY)
    await check(counted, Interval.DAILY)
    await fold_all(engine)
    assert (await counted.execute(text("SELECT count(*) FROM rollup_deltas"))).scalar_one() == 0
    await check(counted, Interval.HOURLY)


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        (Chosen(task_name="orders.charge"), "task_name = 'orders.charge'"),
        (Chosen(queue_name="payments"), "queue_name = 'payments'"),
        (Chosen("mail.send", "celery"), "task_name = 'mail.send' AND queue_name = 'celery'"),
        (
            Chosen(limits=Limits(queues=("pay*",), task_names=("orders.*",))),
            "queue_name = 'payments' AND task_name LIKE 'orders.%'",
        ),
    ],
)
async def test_of_chosen_tasks_every_figure_equals_a_count_of_them(
    engine: AsyncEngine, counted: AsyncConnection, chosen: Chosen, where: str
) -> None:
    async with engine.begin() as connection:
        await rollups.fold_deltas(connection, batch_size=5_000)
    for interval in Interval:
        await check(counted, interval, chosen=chosen, where=where)


async def test_totals_equal_the_tasks_and_outlive_them(engine: AsyncEngine, counted: AsyncConnection) -> None:
    statuses = await counted.execute(text("SELECT lower(status), count(*) FROM tasks GROUP BY 1"))
    expected = {status: count for status, count in statuses if status not in ("pending", "running")}
    await fold_all(engine)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE tasks, events, attempts"))
        await rollups.delete_old_sums(connection, max_age=timedelta(0), max_age_of_nodes=timedelta(0))
    async with engine.connect() as connection:
        totals = await count_totals(connection)
    assert expected.items() <= totals.items()
    assert totals[Measure.SUBMITTED] == TASKS


async def test_the_migration_counts_what_is_there_as_the_writers_do(
    engine: AsyncEngine, counted: AsyncConnection
) -> None:
    await fold_all(engine)
    by_writers = [await _sums(counted, table) for table in SUMMED]
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(SUMMED)}"))
        await connection.exec_driver_sql(COUNT_WHAT_IS_THERE)
    await fold_all(engine)
    assert [await _sums(counted, table) for table in SUMMED] == by_writers


async def test_the_migrations_sum_up_and_pack_what_the_loop_would_have_folded(
    engine: AsyncEngine, counted: AsyncConnection
) -> None:
    await fold_all(engine)
    folded = {table: await _sums(counted, table) for table in SUMMED}
    durations = {table: await _durations(counted, table) for table in PACKED}
    assert all(durations.values())
    async with engine.begin() as connection:
        for statement in packing.unpacked():
            await connection.exec_driver_sql(statement)
        coarse = (*COARSE, "rollup_day_histograms", "rollup_week_histograms")
        await connection.execute(text(f"TRUNCATE {', '.join(coarse)}"))
        for statement in [SUM_UP, SUM_UP_WEEKS, *packing.packed(), *packing.replaced()]:
            await connection.exec_driver_sql(statement)
    assert {table: await _sums(counted, table) for table in SUMMED} == folded
    assert {table: await _durations(counted, table) for table in PACKED} == durations


PACKED = ("rollup_hours", "rollup_days", "rollup_weeks")
SUMMED = ("rollup_minutes", "rollup_hours", "rollup_nodes", "rollup_totals", *COARSE)


async def _sums(connection: AsyncConnection, table: str) -> set[tuple[Any, ...]]:
    """All that is not zero; what was taken back leaves zeros behind. Of one name, errors may share durations."""
    what = "bucket IS NOT NULL" if table == "rollup_p95s" else "count <> 0"
    rows = (await connection.execute(text(f"SELECT * FROM {table} WHERE {what}"))).mappings()
    found = {tuple(value for column, value in row.items() if column != "durations") for row in rows}
    assert found
    return found


async def _durations(connection: AsyncConnection, table: str) -> set[tuple[Any, ...]]:
    rows = await connection.execute(
        text(
            f"SELECT starts_at, task_name, queue_name, sum(durations)::text FROM {table} "
            "GROUP BY 1, 2, 3 HAVING sum(durations) > 0"
        )
    )
    return {tuple(row) for row in rows}
