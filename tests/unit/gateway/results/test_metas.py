import json
import os
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from celery.backends.base import compress_payload  # type: ignore[attr-defined]
from kombu.utils.json import dumps

from domain.json_values import MAX_ANSWER_DEPTH
from gateway.results.forms import COMPRESSED
from gateway.results.metas import MAX_DIGITS, MAX_RESULT_BYTES, MAX_UNPACKED_BYTES, decode_meta

META: dict[str, Any] = {"status": "SUCCESS", "result": {"total": 12}, "traceback": None, "children": []}


def stored(status: str = "SUCCESS", result: object = None, **more: object) -> bytes:
    """A meta as Celery's JSON serializer writes it."""
    return dumps({"status": status, "result": result, "traceback": None, "children": [], **more}).encode()


def result_json_of(result: object) -> str | None:
    meta = decode_meta("t", stored(result=result))
    return meta.result_json


def test_a_success_keeps_its_result_as_the_text_that_was_stored() -> None:
    meta = decode_meta("t", b'{"status": "SUCCESS", "result": {"b": 1.50, "a": [1,  2]}, "task_id": "t"}')
    assert meta.result_json == '{"b": 1.50, "a": [1,  2]}'
    assert not meta.result_truncated


def test_all_that_an_extended_result_tells_is_read() -> None:
    meta = decode_meta(
        "t",
        stored(date_done="2026-01-25T14:00:00.5+00:00", retries=2, worker="w@h", queue="q", name="n", args=[1]),
    )
    assert (meta.retries, meta.worker, meta.queue, meta.name) == (2, "w@h", "q", "n")
    assert meta.date_done == datetime(2026, 1, 25, 14, 0, 0, 500_000, UTC)


def test_a_date_without_an_offset_is_utc() -> None:
    meta = decode_meta("t", stored(date_done="2026-01-25T14:00:00"))
    assert meta.date_done == datetime(2026, 1, 25, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "text"),
    [(["no such order"], "no such order"), ([1, "x"], "1, x"), ([], ""), ("plain", "plain"), (None, "None")],
)
def test_a_failure_tells_class_and_message(message: object, text: str) -> None:
    failure = {"exc_type": "OrderError", "exc_message": message, "exc_module": "shop"}
    meta = decode_meta("t", stored("FAILURE", failure, traceback="Traceback ..."))
    assert (meta.exception_type, meta.exception_message, meta.traceback) == ("OrderError", text, "Traceback ...")
    assert meta.result_json is None


def test_a_failure_that_stored_something_else_is_still_a_failure() -> None:
    meta = decode_meta("t", stored("FAILURE", "it broke"))
    assert (meta.state, meta.exception_type) == ("FAILURE", None)


def test_a_started_task_has_no_result_though_celery_stores_its_process_there() -> None:
    meta = decode_meta("t", stored("STARTED", {"pid": 1, "hostname": "w@h"}))
    assert (meta.state, meta.result_json) == ("STARTED", None)


def test_a_result_above_one_mebibyte_is_left_out() -> None:
    meta = decode_meta("t", stored(result="x" * MAX_RESULT_BYTES))
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
    ("raw", "state"),
    [
        (pickle.dumps({"status": "SUCCESS", "result": 1}), "SUCCESS"),
        (pickle.dumps({"status": "FAILURE", "result": ValueError("no")}, protocol=2), "FAILURE"),
        (pickle.dumps({"result": "status", "x": "SUCCESS"}), ""),
        (b"\x80", ""),
        (yaml.safe_dump(META).encode(), "SUCCESS"),
        (b"", ""),
        (b"null", ""),
        (b"[1]", ""),
        (b'{"result": 1}', ""),
        (b'{"status": "SUCCESS", "result": ', ""),
        (b'{"status": "SUCCESS", "result": NaN', ""),
        (b'{"status": "SUCCESS", "date_done": "yesterday"}', ""),
        (b'\x80\xff "__type__"', ""),
        (b'{"status": "SUCCESS", "__type__": 1, "result": ' + b"[" * 100_000, ""),
    ],
)
def test_of_what_is_no_meta_in_json_it_is_said_why_and_its_state_is_found_where_it_stands(
    raw: bytes, state: str
) -> None:
    meta = decode_meta("t", raw)
    assert (meta.state, meta.result_json) == (state, None)
    assert meta.unreadable


def test_a_pickle_is_never_loaded() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, ("/nowhere/at/all",)

    meta = decode_meta("t", pickle.dumps({"status": "SUCCESS", "result": Bomb()}))
    assert (meta.state, meta.unreadable) == ("SUCCESS", "is pickled, and pickles are never loaded")


@pytest.mark.parametrize("compression", ["zlib", "bzip2", "lzma"])
def test_json_is_read_under_the_marker_of_compression(compression: str) -> None:
    assert decode_meta("t", compress_payload(stored(result=[1, 2]), compression)).result_json == "[1, 2]"


@pytest.mark.parametrize("compression", ["zlib", "bzip2", "lzma"])
def test_what_grows_too_much_when_unpacked_is_left_out(compression: str) -> None:
    grows = compress_payload(stored(result="x" * (MAX_UNPACKED_BYTES + 1)), compression)
    meta = decode_meta("t", grows)
    assert (meta.state, meta.result_truncated, meta.result_json) == ("SUCCESS", True, None)


@pytest.mark.parametrize(
    "body", [b"application/x-gzip\x00nonsense", b"application/x-gzip\x00", b"application/zstd\x00x", b"", b"\x00"]
)
def test_what_cannot_be_unpacked_is_said_to_be_so(body: bytes) -> None:
    assert decode_meta("t", COMPRESSED + body).unreadable


def test_the_marker_is_celerys() -> None:
    assert compress_payload(b"x", "zlib").startswith(COMPRESSED)


def test_a_pickle_under_compression_is_not_loaded_either() -> None:
    meta = decode_meta("t", compress_payload(pickle.dumps(META), "zlib"))
    assert (meta.state, meta.unreadable) == ("SUCCESS", "is pickled, and pickles are never loaded")


def test_msgpack_is_read() -> None:
    assert decode_meta("t", msgspec.msgpack.encode(META)).result_json == '{"total":12}'


def test_a_result_nested_too_deep_is_left_out_but_for_those_who_want_it_whole() -> None:
    deep = stored(result=json.loads("[" * (MAX_ANSWER_DEPTH + 1) + "]" * (MAX_ANSWER_DEPTH + 1)))
    assert decode_meta("t", deep).result_truncated
    assert not decode_meta("t", deep, whole_bytes=MAX_RESULT_BYTES).result_truncated
    brackets_in_text = stored(result=['"[' * 500, "{" * 500])
    assert not decode_meta("t", brackets_in_text).result_truncated


def test_the_wrappers_of_an_application_stay() -> None:
    own = {"__type__": "invoice", "__value__": {"hex": "no uuid"}}
    text = result_json_of([own, {"__type__": [1], "__value__": 2}, UUID(int=5)])
    assert text is not None
    assert json.loads(text) == [own, {"__type__": [1], "__value__": 2}, UUID(int=5).hex]


@pytest.mark.parametrize(
    ("result", "error"), [("it broke", "it broke"), ({"step": 3}, '{"step": 3}'), (None, None), ([1, "x"], '[1, "x"]')]
)
def test_a_failure_that_stored_no_exception_shows_its_text(result: object, error: str | None) -> None:
    assert decode_meta("t", stored("FAILURE", result)).error == error


def test_a_number_with_more_digits_than_python_takes_becomes_text() -> None:
    digits = "7" * (MAX_DIGITS + 1)
    meta = decode_meta("t", b'{"status": "SUCCESS", "result": [%s]}' % digits.encode())
    assert json.loads(meta.result_json or "") == [digits]


def test_a_long_name_is_no_reason_to_know_nothing() -> None:
    meta = decode_meta("t", stored(result=5, name="n" * 300))
    assert (meta.result_json, meta.name) == ("5", None)
