import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from api.dependencies import MAX_EXPORTS
from settings import Settings
from tests.integration.api.serving import serving
from tests.patience import wait_for

EXPORT = "/api/v1/search/tasks/export/csv"
ROWS = 20_000
# 20 MB: far more than the buffers between server and client hold.
FILL = f"""
    insert into tasks (task_id, status, phase, exception, created_at, events_from, checked_at)
    select 'task-' || n, 'FAILED', 'finished', repeat('=x,"' || chr(10), 200), now(), now(), now()
    from generate_series(1, {ROWS}) n
"""


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def filled(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        connection.execute(FILL)
    return database_url


def count_open_transactions(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where application_name = 'celeriac api' and xact_start is not null"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_every_row_comes_once_and_parses(client: httpx.Client, filled: str) -> None:
    answer = client.get(EXPORT)
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {line["task_id"] for line in lines} == {f"task-{n}" for n in range(1, ROWS + 1)}
    assert len(lines) == ROWS
    assert {line["error"] for line in lines} == {"'" + '=x,"\n' * 200}


ODD = """
    insert into tasks (task_id, task_name, status, phase, queue_name, priority, node, exception, duration_seconds,
                       scheduled_at, started_at, cancel_requested_at, created_at, events_from, checked_at)
    values
        ('a,"b"', 'naïve', 'PENDING', 'scheduled', null, null, 'celery@compute-1', '', null,
         '2026-01-24 14:00:00+02', null, null, '2026-01-24 12:00:00Z', now(), now()),
        ('later', null, 'PENDING', 'scheduled', 'q', 1, 'other@compute-1', '\\.', 1e-5,
         '2126-01-24 14:00:00Z', null, now(), '2026-01-24 12:00:00.12Z', now(), now()),
        ('line' || chr(13), 'a' || chr(10) || 'b', 'COMPLETED', 'finished', 'q', 10, 'nobody', 'ValueError: x', 5,
         null, '2026-01-24 12:00:00.000001Z', null, '2026-01-24 12:00:01Z', now(), now()),
        ('long', 'n', 'COMPLETED', 'finished', 'q', 10, 'n', null, 1e17, null, null, null,
         '2026-01-24 12:00:02Z', now(), now())
"""


def cell(value: object) -> str:
    """What the JSON value of a list is as a cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def test_the_cells_are_those_of_the_list(client: httpx.Client, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(ODD)
    rows = client.get("/api/v1/search/tasks").json()["data"]
    assert len(rows) == 4
    text = client.get(EXPORT).content.decode()
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == [
        {name: cell(value) for name, value in row.items()} for row in rows
    ]
    assert text.splitlines(keepends=True)[0] == ",".join(rows[0]) + "\r\n"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\rx",
            "\nx",
            "  =1",
            "\u00a0=1",
            "\uff1d1",
            '=HYPERLINK("http://x")',
        ),
        # Behind what is not seen, or taken for quoting.
        *("\u200b=1", "\ufeff=1", '"=1', '" \u200b"@x', "\u00ad+1", "\u2060-1", "\u202e=1"),
        *("\x01=1", "\x1b=1", "\x7f=1", "\x9b=1"),
    ],
)
def test_what_a_spreadsheet_would_run_is_defused(client: httpx.Client, database_url: str, text: str) -> None:
    assert exported(client, database_url, error=text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["", "a=1", "2026-01-24T12:00:00Z", "process_payment", " spaced", "'=1", "x\n=1", "\u200bx=1", '"a"', "a\u200b=1"],
)
def test_any_other_text_stays_as_it_is(client: httpx.Client, database_url: str, text: str) -> None:
    assert exported(client, database_url, error=text) == text


def exported(client: httpx.Client, database_url: str, *, error: str) -> str:
    """The cell of a task with this error."""
    with psycopg.connect(database_url) as connection:
        connection.execute(FILL.replace("repeat('=x,\"' || chr(10), 200)", "%s").replace(str(ROWS), "1"), [error])
    (line,) = csv.DictReader(io.StringIO(client.get(EXPORT).text, newline=""))
    return line["error"]


def test_filters_and_orders_hold_for_files_too(client: httpx.Client, filled: str) -> None:
    query = {"status": ["FAILED", "PENDING"], "error": "100%", "search": "task or 'quoted'", "created_after": "-1d"}
    assert client.get(EXPORT, params=query).text.count("\r\n") == 1
    query = {"task_id": "task-7", "sort_by": "duration", "limit": "5"}
    assert "task-7," in client.get(EXPORT, params=query).text


def test_a_client_that_goes_away_ends_its_export(client: httpx.Client, filled: str) -> None:
    with client.stream("GET", EXPORT) as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        assert count_open_transactions(filled) == 1
    wait_for(lambda: count_open_transactions(filled) == 0)


def test_exports_leave_connections_to_other_requests(client: httpx.Client, filled: str) -> None:
    with ExitStack() as running:
        for _ in range(MAX_EXPORTS):
            assert running.enter_context(client.stream("GET", EXPORT)).status_code == 200
        refused = client.get(EXPORT)
        assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
        assert refused.headers["Retry-After"]
        assert client.get("/api/v1/tasks?limit=1").status_code == 200
    wait_for(lambda: client.get(EXPORT, params={"limit": 1}).status_code == 200)


def test_an_export_that_cannot_begin_is_an_error_and_not_half_a_file(client: httpx.Client) -> None:
    answer = client.get(EXPORT, params={"cursor": "made-up"})
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert client.get(EXPORT).status_code == 200, "its place is free again"
