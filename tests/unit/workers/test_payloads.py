"""Encrypted parts, sealed and opened with keys of the environment."""

import base64
import json

import pytest
from celeriac_worker import open_error, open_result, payloads, seal
from celeriac_worker.payloads import (
    KEYS_VARIABLE,
    MARK,
    PayloadError,
    PayloadKeys,
    bound_to_argument,
    bound_to_error,
    bound_to_result,
    parse_keys,
)

KEYS = PayloadKeys({"k2": b"2" * 32, "k1": b"1" * 32})


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_the_first_key_seals_and_all_of_them_open() -> None:
    new, old = (KEYS.seal("4711", b"here", kid=kid) for kid in (None, "k1"))
    assert (new["kid"], old["kid"]) == ("k2", "k1")
    assert [KEYS.open(sealed, b"here") for sealed in (new, old)] == ["4711", "4711"]


def test_the_same_value_never_looks_the_same() -> None:
    assert len({KEYS.seal("4711", b"here")["ct"] for _ in range(50)}) == 50


def test_a_client_needs_nothing_but_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, f"k2:{encoded(b'2' * 32)}, k1:{encoded(b'1' * 32)}")
    part = seal({"number": "4711"}, task_name="shop.pay", kid="k1")
    assert KEYS.open(part[MARK], bound_to_argument("shop.pay")) == {"number": "4711"}


def test_a_result_and_an_error_open_for_their_task_alone() -> None:
    result = {MARK: KEYS.seal("paid", bound_to_result("shop.pay", "1")) | {"task_name": "shop.pay", "task_id": "1"}}
    error = {MARK: KEYS.seal("declined", bound_to_error("shop.pay", "1"))}
    text = f"SealedError: ValueError {json.dumps(error)}"
    assert open_result(result, task_name="shop.pay", task_id="1", keys=KEYS) == "paid"
    assert open_error(text, task_name="shop.pay", task_id="1", keys=KEYS) == "declined"
    for wrong in ({"task_name": "shop.pay", "task_id": "2"}, {"task_name": "shop.buy", "task_id": "1"}):
        with pytest.raises(PayloadError, match="sealed for another task"):
            open_result(result, **wrong, keys=KEYS)
        with pytest.raises(PayloadError, match="sealed for another task"):
            open_error(text, **wrong, keys=KEYS)
    for text in ("ValueError: declined", "}{", 'SealedError: ValueError {"$encr'):
        with pytest.raises(PayloadError, match="nothing that is sealed"):
            open_error(text, task_name="shop.pay", task_id="1", keys=KEYS)


def test_no_name_reaches_into_the_next() -> None:
    bound = {bound_to_result("a", "b:c"), bound_to_result("a:b", "c"), bound_to_error("a", "b"), bound_to_argument("a")}
    assert len(bound) == 4


@pytest.mark.parametrize(
    ("ct", "said"),
    [
        ("", "too short"),
        ("AQ", "too short"),
        ("Ag" + "A" * 60, "not known here"),
        ("AQ" + "A" * 59 + "B", "base64url"),
        ("A+" + "A" * 60, "base64url"),
        ("\u00e4" * 60, "base64url"),
        ("A" * 61, "base64url"),
    ],
)
def test_what_is_no_sealed_text_is_told_apart(ct: str, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        KEYS.open({"kid": "k1", "ct": ct}, b"here")


def test_padding_changes_nothing() -> None:
    sealed = KEYS.seal("1", b"here")
    assert len(sealed["ct"]) % 4
    assert KEYS.open({**sealed, "ct": sealed["ct"] + "=" * (-len(sealed["ct"]) % 4)}, b"here") == "1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secret", "key 1 is not written"),
        ("k1:", "key 1 is not written"),
        ("k 1:" + encoded(b"s" * 32), "key 1 is not written"),
        (f"k1:{encoded(b's' * 32)},k1:{encoded(b't' * 32)}", "twice"),
        ("k1:" + encoded(b"s" * 16), "of 32 bytes"),
        ("k1:" + encoded(b"s" * 33), "of 32 bytes"),
        ("k1:!" + encoded(b"s" * 32), "of 32 bytes"),
    ],
)
def test_a_malformed_variable_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(PayloadError, match=said) as refusal:
        parse_keys(text)
    assert not {"secret", encoded(b"s" * 32)[:8]} & set(str(refusal.value).split())
    assert encoded(b"s" * 15) not in str(refusal.value)


@pytest.mark.parametrize("key", [b"\xfb\xff" * 16, bytes(range(32))])
def test_a_key_may_be_written_in_both_alphabets_with_padding_or_without(key: bytes) -> None:
    sealed = PayloadKeys({"k1": key}).seal(1, b"here")
    spellings = [base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("=")]
    assert [parse_keys(f"k1:{text}").open(sealed, b"here") for text in spellings] == [1, 1]


def test_without_a_key_it_is_said_which_one_is_missing() -> None:
    with pytest.raises(PayloadError, match=f"{KEYS_VARIABLE} has no key 'k9' here"):
        KEYS.open({"kid": "k9", "ct": "A" * 40}, b"here")
    with pytest.raises(PayloadError, match=f"{KEYS_VARIABLE} is not set"):
        parse_keys("").seal(1, b"here")


def test_only_who_uses_a_key_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "AESGCM", None)
    with pytest.raises(PayloadError, match="`cryptography` is not installed"):
        KEYS.usable()
