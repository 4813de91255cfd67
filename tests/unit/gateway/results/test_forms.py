"""What workers stored is read where that is safe, and named where it is not."""

import bz2
import lzma
import pickle
import zlib
from typing import Any

import msgspec
import pytest

from gateway.results.forms import COMPRESSED, Sealed, as_json, is_compressed

META = b'{"status": "SUCCESS", "result": 1}'
BROKEN, PICKLED = "is compressed, and broken", "is pickled, and pickles are never loaded"
PACKERS: list[tuple[bytes, Any]] = [
    (b"application/x-gzip", zlib.compress),
    (b"application/x-bz2", bz2.compress),
    (b"application/x-lzma", lzma.compress),
]


def packed(kind: bytes, body: bytes) -> bytes:
    return COMPRESSED + kind + b"\x00" + body


@pytest.mark.parametrize("stored", [META, b" " + META, b"[1]", b"null", b"7", b"nonsense", b"\xff"])
def test_what_has_no_sign_of_another_form_is_passed_on_as_it_is(stored: bytes) -> None:
    assert as_json(stored, most_bytes=100) is stored
    assert not is_compressed(stored)


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
@pytest.mark.parametrize(("spare", "is_read"), [(1, True), (0, True), (-1, False)])
def test_what_is_compressed_is_unpacked_up_to_a_bound(kind: bytes, pack: Any, spare: int, is_read: bool) -> None:
    stored = packed(kind, pack(META))
    assert is_compressed(stored)
    found = as_json(stored, most_bytes=len(META) + spare)
    assert found == (META if is_read else Sealed("is too large", "SUCCESS", is_large=True))


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
def test_what_is_cut_off_is_broken_and_not_read_in_part(kind: bytes, pack: Any) -> None:
    assert as_json(packed(kind, pack(META * 50)[:-8]), most_bytes=10_000) == Sealed(BROKEN)


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
def test_what_unpacks_to_nothing_is_named(kind: bytes, pack: Any) -> None:
    assert as_json(packed(kind, pack(b"")), most_bytes=100) == Sealed("is compressed, and empty")


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x07" * 100])
def test_what_is_not_compressed_as_it_says_is_broken(kind: bytes, pack: Any, body: bytes) -> None:
    assert as_json(packed(kind, body), most_bytes=100) == Sealed(BROKEN)


@pytest.mark.parametrize("kind", [b"", b"application/zstd", b"brotli"])
def test_an_unknown_compression_is_named(kind: bytes) -> None:
    assert as_json(packed(kind, b"x"), most_bytes=100) == Sealed("is compressed in a way that Celeriac does not read")


def test_a_compression_that_would_take_much_memory_is_broken() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * 1024 * 1024}]
    greedy = lzma.compress(META, format=lzma.FORMAT_XZ, filters=filters)
    assert as_json(packed(b"application/x-lzma", greedy), most_bytes=100) == Sealed(BROKEN)


@pytest.mark.parametrize(
    ("begin", "state"),
    [
        (b'{"status": "SUCCESS", "result": "', "SUCCESS"),
        (b' {\n"status"\t: "MY_OWN", "result": "', "MY_OWN"),
        (b'{"status": "success", "result": "', ""),
        (b'{"result": "', ""),
        (b'{"status": "' + b"X" * 51 + b'", "result": "', ""),
    ],
)
def test_of_what_is_too_large_the_state_is_found_only_at_its_beginning(begin: bytes, state: str) -> None:
    stored = packed(b"application/x-gzip", zlib.compress(begin + b"x" * 10_000 + b'"}'))
    assert as_json(stored, most_bytes=1_000) == Sealed("is too large", state, is_large=True)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("stored", "state"),
    [
        ({"status": "SUCCESS", "result": 1}, "SUCCESS"),
        ({"status": "MY_OWN"}, "MY_OWN"),
        ({"status": "success"}, ""),
        ({"status": "X" * 50}, "X" * 50),
        ({"status": "X" * 51}, ""),
        ({"status": 7, "other": "SUCCESS"}, ""),
        ({"result": "status"}, ""),
        (["status", "FAILURE"], "FAILURE"),
        (list(range(40)), ""),
    ],
)
def test_of_a_pickle_only_the_state_is_found(stored: object, state: str, protocol: int) -> None:
    assert as_json(pickle.dumps(stored, protocol), most_bytes=100) == Sealed(PICKLED, state)


@pytest.mark.parametrize("stored", [b"\x80", b"\x80\x04", b"\x80\xff", b"\x80\x04\x95" + b"\xff" * 8, b"\x80nonsense"])
def test_what_only_begins_like_a_pickle_has_no_state(stored: bytes) -> None:
    assert as_json(stored, most_bytes=100) == Sealed(PICKLED)


@pytest.mark.parametrize(
    ("stored", "state"),
    [
        (b"status: SUCCESS\nresult: 1\n", "SUCCESS"),
        (b"---\nresult: 1\nstatus: 'FAILURE'\n", "FAILURE"),
        (b"# told by hand\nresult: 1\n", ""),
        (b"%YAML 1.1\n---\nresult:\n  status: SUCCESS\n", ""),
    ],
)
def test_yaml_is_never_parsed(stored: bytes, state: str) -> None:
    assert as_json(stored, most_bytes=100) == Sealed("is stored as YAML", state)


@pytest.mark.parametrize("keys", [1, 15, 16, 70_000])
def test_msgpack_is_read_however_many_fields_it_has(keys: int) -> None:
    stored = {str(number): number for number in range(keys)}
    found = as_json(msgspec.msgpack.encode(stored), most_bytes=100)
    assert isinstance(found, bytes)
    assert msgspec.json.decode(found) == stored


@pytest.mark.parametrize(
    "stored", [b"\x81", b"\x81\xa1a", b"\x81\x80\x01", b"\xdf\xff\xff\xff\xff", b"\x81\xa1a" + b"\x91" * 100_000]
)
def test_what_only_begins_like_msgpack_is_in_no_form_that_is_read(stored: bytes) -> None:
    assert as_json(stored, most_bytes=100) == Sealed("is in no form that Celeriac reads")
