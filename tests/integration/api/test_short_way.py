"""Submissions on the short way and on the framework's, side by side: they are told and stored the same."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from psycopg.rows import dict_row
from structlog.testing import capture_logs

from api.routing import API_PREFIX
from api.schemas.tasks import TaskSubmission
from api.short_way import ShortWay
from settings import Settings
from tests.integration.api.serving import serving

KEY, READER = "admin-key-for-tests-0123456789abcdef", "reader-key-for-tests-0123456789abcdef"
SHORT, LONG = "application/json", "application/json; charset=utf-8"
"""The media type decides which way a request goes: only the plainest is taken for the short one."""
OF_EACH = {"task_id", "created_at", "request_id", "timestamp"}
HEADERS_OF_EACH = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"}
DEEP = b"[" * 64 + b"]" * 64

SOUND = [
    b'{"task_name":"t"}',
    b' {"task_name" : "t", "task_args": [1, 1.5, -0.0, 1e22, 1E5, null, true, "\\u00e9\\n", {"a": [{}]}]}\n',
    b'{"task_name":"t","task_args":[123456789012345678901234567890,0.1,1e-7,100000000000000000000.5]}',
    '{"task_name":"tâche \N{SNOWMAN}","task_kwargs":{"ключ":"\N{GRINNING FACE}"}}'.encode(),
    b'{"task_name":"t","task_kwargs":{"a":1,"a":2}}',
    b'{"task_name":"t","priority":11,"priority":10,"queue_name":"q","max_retries":0,"timeout_seconds":86400}',
    b'{"task_name":"t","scheduled_at":"2199-01-02T03:04:05.6+02:00","queue_name":null,"timeout_seconds":null}',
    b'{"task_name":"t","scheduled_at":"2001-01-02T03:04:05Z"}',
    b'{"task_name":"t","task_args":["\\ud83d\\ude00"]}',
    b'{"task_name":"t","task_args":[%s]}' % DEEP[1:-1],
    b'{"task_name":"t","task_args":["%s"]}' % (b"x" * 60_000),
    '{"task_name":"t"}'.encode("utf-16"),
    b'\xef\xbb\xbf{"task_name":"t"}',
]
HOSTILE = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"1",
    b'"t"',
    b"{",
    b'{"task_name":"t"}}',
    b'{"task_name":"t",}',
    b"{'task_name':'t'}",
    b"{}",
    b'{"task_name":""}',
    b'{"task_name":"%s"}' % (b"x" * 256),
    b'{"task_name":5}',
    b'{"task_name":null}',
    b'{"task_name":"t\\u0000"}',
    b'{"task_name":"t\\ud800"}',
    b'{"task_name":"t\x00"}',
    b'{"task_name":"\xff"}',
    b'{"task_name":"t","unknown":1,"another":2}',
    b'{"task_name":"t",%s}' % b",".join(b'"k%d":1' % n for n in range(150)),
    b'{"task_name":"t","task_args":{}}',
    b'{"task_name":"t","task_args":[NaN]}',
    b'{"task_name":"t","task_args":[Infinity]}',
    b'{"task_name":"t","task_args":[1e999]}',
    b'{"task_name":"t","task_args":["\\u0000"]}',
    b'{"task_name":"t","task_args":["\\udc00"]}',
    b'{"task_name":"t","task_args":[%s]}' % DEEP,
    b'{"task_name":"t","task_args":[%s]}' % (b"[" * 2_000 + b"]" * 2_000),
    b'{"task_name":"t","task_args":[%s]}' % (b"9" * 5_000),
    b'{"task_name":"t","task_args":[{"$encrypted":{"kid":"k","ct":"short"}}]}',
    b'{"task_name":"t","task_kwargs":[]}',
    b'{"task_name":"t","task_kwargs":{"\\u0000":1}}',
    b'{"task_name":"t","priority":0}',
    b'{"task_name":"t","priority":5,"priority":11}',
    b'{"task_name":"t","priority":"5"}',
    b'{"task_name":"t","priority":5.0}',
    b'{"task_name":"t","priority":true}',
    b'{"task_name":"t","priority":99999999999999999999}',
    b'{"task_name":"t","queue_name":""}',
    b'{"task_name":"t","queue_name":"a\\nb"}',
    b'{"task_name":"t","max_retries":101}',
    b'{"task_name":"t","max_retries":null}',
    b'{"task_name":"t","timeout_seconds":0}',
    b'{"task_name":"t","scheduled_at":1700000000}',
    b'{"task_name":"t","scheduled_at":"tomorrow"}',
    b'{"task_name":"t","scheduled_at":"2199-01-02T03:04:05"}',
    b'{"task_name":"t","scheduled_at":"0001-01-01T00:00:00+14:00"}',
]


@pytest.fixture(autouse=True)
def short_ways(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was taken for plainly sound, in the order in which it came."""
    taken: list[object] = []
    answer = ShortWay._answer_sound

    async def note(self: ShortWay, *talk: Any, wanted: TaskSubmission) -> None:
        taken.append(wanted)
        await answer(self, *talk, wanted=wanted)

    monkeypatch.setattr(ShortWay, "_answer_sound", note)
    return taken


@contextmanager
def talking(settings: Settings, **changes: object) -> Iterator[httpx.Client]:
    keys = {"api_keys": [KEY, f"{READER}:read"], "rate_limit_per_minute": 10_000}
    # Not a copy with changes: those would not be validated.
    changed = Settings.model_validate(settings.model_dump() | keys | changes)
    with serving(changed) as url, httpx.Client(base_url=url + API_PREFIX, timeout=30, verify=False) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def both(client: httpx.Client, body: bytes, **headers: str) -> tuple[httpx.Response, httpx.Response]:
    """The answers on the short way and on the other."""
    ways = ({"Content-Type": media_type} | headers for media_type in (SHORT, LONG))
    short, long = (client.post("/tasks", content=body, headers=way) for way in ways)
    return short, long


def told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], list[tuple[str, object]]]:
    """All that does not differ between two requests, in its order."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in HEADERS_OF_EACH]
    # Times with and without a fraction differ in length, and so the body does.
    headers = [(name, "" if name == "content-length" else value) for name, value in headers]
    return answer.status_code, headers, [(k, "" if k in OF_EACH else v) for k, v in answer.json().items()]


def stored(database_url: str, answer: httpx.Response) -> Mapping[str, object]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        row = connection.execute(
            """
            SELECT to_jsonb(tasks) AS task, args::text, kwargs::text, event_type, details::text,
                   outbox.due_at > now() AS waits, search_queue.task_id IS NOT NULL AS is_indexed
            FROM tasks JOIN task_arguments USING (task_id) JOIN events USING (task_id) JOIN outbox USING (task_id)
            LEFT JOIN search_queue USING (task_id) WHERE task_id = %s
            """,
            [answer.json()["task_id"]],
        ).fetchone()
    assert row is not None
    differing = {"task_id", "created_at", "events_from", "checked_at", "updated_at"}
    return row | {"task": {name: value for name, value in row["task"].items() if name not in differing}}


def test_what_is_sound_is_told_and_stored_the_same(settings: Settings, short_ways: list[object]) -> None:
    with talking(settings) as client:
        for body in SOUND:
            short, long = both(client, body)
            assert short.status_code == 201, short.text
            assert told(short) == told(long)
            assert stored(str(settings.database_url), short) == stored(str(settings.database_url), long)
    assert len(short_ways) == len(SOUND)


def test_what_is_hostile_is_refused_with_the_same_words(settings: Settings, short_ways: list[object]) -> None:
    with talking(settings) as client:
        for body in HOSTILE:
            short, long = both(client, body)
            assert 400 <= short.status_code < 500, body
            assert told(short) == told(long)
    assert [wanted.task_args for wanted in short_ways] == [  # type: ignore[attr-defined]
        [{"$encrypted": {"kid": "k", "ct": "short"}}]
    ]


def test_keys_limits_names_and_marks_hold_on_both_ways(settings: Settings, short_ways: list[object]) -> None:
    with psycopg.connect(str(settings.database_url)) as connection:
        connection.execute("insert into registered_tasks values ('celery@one', 'known', now())")
    with talking(settings, check_task_names=True) as client:
        limited = {"name": "limited", "scopes": ["submit"], "queues": ["mine"]}
        key = client.post("/api-keys", json=limited).raise_for_status().json()["key"]
        body = b'{"task_name":"known","queue_name":"mine"}'
        short, long = both(client, body, Authorization=f"Bearer {key}")
        assert short.status_code == 201
        assert told(short) == told(long)
        refused = [
            (both(client, body, Authorization=""), 401),
            (both(client, body, Authorization=f"Bearer {READER}"), 403),
            (both(client, b'{"task_name":"known"}', Authorization=f"Bearer {key}"), 403),
            (both(client, b'{"task_name":"knwon"}'), 400),
        ]
        mark = {"service_name": "queue:mine", "strategy": "fail_fast", "duration_seconds": 60}
        client.post("/resilience/degradation/mark", json=mark).raise_for_status()
        refused.append((both(client, body), 503))
    for (short, long), status in refused:
        assert short.status_code == status, short.text
        assert told(short) == told(long)
    assert len(short_ways) == 3


def test_what_asks_for_more_goes_the_other_way(settings: Settings, short_ways: list[object]) -> None:
    body = b'{"task_name":"t"}'
    plain = {"Content-Type": SHORT}
    with talking(settings) as client:
        first, again = (
            client.post("/tasks", content=body, headers=plain | {"Idempotency-Key": "one"}) for _ in range(2)
        )
        unknown = client.post("/tasks?unknown=1", content=body, headers=plain)
        waited = client.post("/tasks?async=false&wait_seconds=1", content=body, headers=plain)
        chunked = client.post("/tasks", content=iter([body]), headers=plain)
    assert first.json() == again.json()
    assert (unknown.status_code, waited.json()["status"], chunked.status_code) == (400, "PENDING", 201)
    assert short_ways == []


def test_both_ways_leave_the_same_line_and_the_same_count(settings: Settings) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs, talking(settings) as client:
        short, long = both(client, b'{"task_name":"t"}')
        counted = httpx.get(str(client.base_url).replace(API_PREFIX, "") + "metrics", headers=client.headers).text
    lines = [line for line in logs if line["event"] == "request_finished" and line["route"] == f"{API_PREFIX}/tasks"]
    assert [line["task_id"] for line in lines] == [short.json()["task_id"], long.json()["task_id"]]
    assert lines[0].keys() == lines[1].keys()
    assert 'celeriac_request_seconds_count{method="POST",route="/api/v1/tasks",status="2xx"} 2.0' in counted
