"""What of an encrypted part can be judged without its key: how it is written."""

import json
from typing import Any

import pytest
from celeriac_worker.payloads import PayloadError, read_mark

from domain.errors import InvalidRequest
from domain.payloads import MARK, MAX_KID_LENGTH, MIN_CT_LENGTH, check_encrypted, is_encrypted

CT = "A" * MIN_CT_LENGTH
SEALED = {"kid": "k1", "ct": CT}
RESULT = SEALED | {"task_name": "shop.pay", "task_id": "1"}


@pytest.mark.parametrize(
    "sealed", [SEALED, RESULT, SEALED | {"ct": CT + "=="}, SEALED | {"kid": "A.b-c_9" + "k" * (MAX_KID_LENGTH - 7)}]
)
def test_what_a_worker_can_read_is_taken_beside_what_only_looks_like_it(sealed: dict[str, str]) -> None:
    part = {MARK: sealed}
    assert read_mark(part) == sealed
    check_encrypted(json.dumps([MARK, {"encrypted": 1}, part]), json.dumps({"card": {"number": [part]}}))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({MARK: SEALED, "other": 1}, "may hold only"),
        ({MARK: CT}, 'must hold "kid" and "ct"'),
        ({MARK: {"kid": "k1"}}, 'must hold "kid" and "ct"'),
        ({MARK: SEALED | {"alg": "none"}}, "nothing else"),
        ({MARK: SEALED | {"task_name": "shop.pay"}}, "nothing else"),
        ({MARK: SEALED | {"ct": 1}}, "only text"),
        ({MARK: SEALED | {"kid": ""}}, '"kid" must have'),
        ({MARK: SEALED | {"kid": "k" * (MAX_KID_LENGTH + 1)}}, '"kid" must have'),
        ({MARK: SEALED | {"kid": "k 1"}}, '"kid" must have'),
        ({MARK: SEALED | {"ct": CT[1:]}}, '"ct" must be'),
        ({MARK: SEALED | {"ct": CT[1:] + "+"}}, '"ct" must be'),
    ],
)
def test_a_malformed_part_is_refused_by_its_place(part: Any, said: str) -> None:
    for args, kwargs, place in (([1, [part]], {}, "task_args.1.0"), ([], {"card": part}, "task_kwargs.card")):
        with pytest.raises(InvalidRequest) as refusal:
            check_encrypted(json.dumps(args), json.dumps(kwargs))
        ((field, message),) = refusal.value.errors
        assert field == place
        assert said in message


def test_keyword_arguments_are_not_encrypted_as_a_whole() -> None:
    with pytest.raises(InvalidRequest, match="task_kwargs: may not be encrypted as a whole"):
        check_encrypted("[]", json.dumps({MARK: SEALED}))


@pytest.mark.parametrize("value", [{MARK: SEALED, "other": 1}, {MARK: CT}, {MARK: {"kid": "k1"}}, {MARK: {}}])
def test_what_is_refused_here_no_worker_would_read(value: Any) -> None:
    assert is_encrypted(value)
    with pytest.raises(PayloadError, match="malformed"):
        read_mark(value)


@pytest.mark.parametrize("value", [None, [MARK], {"a": {MARK: SEALED}}, MARK])
def test_only_a_whole_value_is_encrypted(value: object) -> None:
    assert not is_encrypted(value)
