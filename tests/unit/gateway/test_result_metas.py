import json
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from kombu.utils.json import dumps

from gateway.result_metas import MAX_RESULT_BYTES, decode_meta


def stored(status: str = "SUCCESS", result: object = None, **more: object) -> bytes:
    """A meta as Celery's JSON serializer writes it."""
    return dumps({"status": status, "result": result, "traceback": None, "children": [], **more}).encode()


def result_json_of(result: object) -> str | None:
    meta = decode_meta("t", stored(result=result))
    assert meta is not None
    return meta.result_json


def test_a_success_keeps_its_result_as_the_text_that_was_stored() -> None:
    meta = decode_meta("t", b'{"status": "SUCCESS", "result": {"b": 1.50, "a": [1,  2]}, "task_id": "t"}')
    assert meta is not None
    assert meta.result_json == '{"b": 1.50, "a": [1,  2]}'
    assert not meta.result_truncated


def test_all_that_an_extended_result_tells_is_read() -> None:
    meta = decode_meta(
        "t",
        stored(date_done="2026-01-25T14:00:00.5+00:00", retries=2, worker="w@h", queue="q", name="n", args=[1]),
    )
    assert meta is not None
    assert (meta.retries, meta.worker, meta.queue, meta.name) == (2, "w@h", "q", "n")
    assert meta.date_done == datetime(2026, 1, 25, 14, 0, 0, 500_000, UTC)


def test_a_date_without_an_offset_is_utc() -> None:
    meta = decode_meta("t", stored(date_done="2026-01-25T14:00:00"))
    assert meta is not None
    assert meta.date_done == datetime(2026, 1, 25, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "text"),
    [(["no such order"], "no such order"), ([1, "x"], "1, x"), ([], ""), ("plain", "plain"), (None, "None")],
)
def test_a_failure_tells_class_and_message(message: object, text: str) -> None:
    failure = {"exc_type": "OrderError", "exc_message": message, "exc_module": "shop"}
    meta = decode_meta("t", stored("FAILURE", failure, traceback="Traceback ..."))
    assert meta is not None
    assert (meta.exception_type, meta.exception_message, meta.traceback) == ("OrderError", text, "Traceback ...")
    assert meta.result_json is None


def test_a_failure_that_stored_something_else_is_still_a_failure() -> None:
    meta = decode_meta("t", stored("FAILURE", "it broke"))
    assert meta is not None
    assert (meta.state, meta.exception_type) == ("FAILURE", None)


def test_a_started_task_has_no_result_though_celery_stores_its_process_there() -> None:
    meta = decode_meta("t", stored("STARTED", {"pid": 1, "hostname": "w@h"}))
    assert meta is not None
    assert (meta.state, meta.result_json) == ("STARTED", None)


def test_a_result_above_one_mebibyte_is_left_out() -> None:
    meta = decode_meta("t", stored(result="x" * MAX_RESULT_BYTES))
    assert meta is not None
    assert (meta.result_json, meta.result_truncated) == (None, True)
    assert result_json_of("x" * (MAX_RESULT_BYTES - 2)) is not None


def test_numbers_that_json_does_not_know_become_their_names() -> None:
    text = result_json_of([float("nan"), float("inf"), float("-inf"), 1.5])
    assert text == '["NaN", "Infinity", "-Infinity", 1.5]'


def test_characters_that_postgres_cannot_store_are_replaced_in_values_and_keys() -> None:
    text = result_json_of({"a\x00": ["\ud800", "\udc00x", "ok"]})
    assert text is not None
    assert json.loads(text) == {"a\ufffd": ["\ufffd", "\ufffdx", "ok"]}
    text.encode()


def test_a_pair_of_surrogates_is_one_sound_character() -> None:
    text = result_json_of("\N{GRINNING FACE}")
    assert text is not None
    assert json.loads(text) == "\N{GRINNING FACE}"


def test_an_escaped_backslash_before_a_code_is_no_such_character() -> None:
    text = result_json_of("\\u0000")
    assert text is not None
    assert json.loads(text) == "\\u0000"


def test_the_wrappers_of_celery_give_way_to_their_values() -> None:
    identity = UUID("12345678123456781234567812345678")
    text = result_json_of([date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.10"), identity, b"raw"])
    assert text is not None
    assert json.loads(text) == ["2026-01-02", "2026-01-02T00:00:00+00:00", "1.10", identity.hex, "raw"]


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps({"status": "SUCCESS", "result": 1}),
        b"",
        b"null",
        b"[1]",
        b'{"result": 1}',
        b'{"status": "SUCCESS", "result": ',
        b'{"status": "SUCCESS", "result": NaN',
        b'{"status": "SUCCESS", "date_done": "yesterday"}',
        b'\x80\xff "__type__"',
        b'{"status": "SUCCESS", "__type__": 1, "result": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_meta_in_json_is_passed_over(raw: bytes) -> None:
    assert decode_meta("t", raw) is None
