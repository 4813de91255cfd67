"""docs/encryption.md: its test vectors are those of the code, and its recipe makes what a worker opens."""

import json
import re
from base64 import b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from celeriac_worker.payloads import (
    MARK,
    PayloadKeys,
    bound_to_argument,
    bound_to_error,
    bound_to_result,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.payloads import MAX_KID_LENGTH, MIN_CT_LENGTH

PAGE = (Path(__file__).parents[3] / "docs" / "encryption.md").read_text()
VECTORS = re.findall(r"^\| (argument|result|error) \| `(.+)` \| `([\w-]+)` \|$", PAGE, re.MULTILINE)
(KEY,) = (b64decode(key) for key in re.findall(r"with the key `([\w=]+)`", PAGE))
(NONCE,) = (bytes.fromhex(nonce) for nonce in re.findall(r"the nonce `(\w+)`", PAGE))
((TASK_NAME, TASK_ID),) = re.findall(r"task `([\w.]+)` and the id `([\w-]+)`", PAGE)
KEYS = PayloadKeys({"k1": KEY})
BOUND = {
    "argument": bound_to_argument(TASK_NAME),
    "result": bound_to_result(TASK_NAME, TASK_ID),
    "error": bound_to_error(TASK_NAME, TASK_ID),
}


def test_each_kind_has_a_vector() -> None:
    assert {kind for kind, _, _ in VECTORS} == BOUND.keys()


@pytest.mark.parametrize(("kind", "text", "ct"), VECTORS)
def test_a_vector_opens_and_is_made_as_the_page_says(kind: str, text: str, ct: str) -> None:
    assert KEYS.open({"kid": "k1", "ct": ct}, BOUND[kind]) == json.loads(text)
    raw = b"\x01" + NONCE + AESGCM(KEY).encrypt(NONCE, text.encode(), BOUND[kind])
    assert urlsafe_b64encode(raw).decode().rstrip("=") == ct


def test_the_recipe_makes_what_a_worker_opens_and_opens_what_it_makes() -> None:
    (recipe,) = re.findall(r"```python\n(import base64.+?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(recipe, names)
    part = names["seal_argument"]({"a": [1, "\u00e4"]}, TASK_NAME, "k1", KEY)
    assert KEYS.open(part[MARK], BOUND["argument"]) == {"a": [1, "\u00e4"]}
    for value in ("", "1", "12", "paid"):
        result = {MARK: KEYS.seal(value, BOUND["result"])}
        assert names["open_result"](result, TASK_NAME, TASK_ID, {"k1": KEY}) == value


def test_the_page_names_the_bounds() -> None:
    assert f"1 to {MAX_KID_LENGTH} letters" in PAGE
    assert f"shorter than {MIN_CT_LENGTH} characters" in PAGE
