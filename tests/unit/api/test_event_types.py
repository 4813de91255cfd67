"""What is said of the types of events, and what is sent: one is held against the other."""

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from api.app import create_app
from api.schemas.event_types import NAMES, list_event_types
from api.schemas.webhooks import WebhookOrder
from domain.feed import ChangeType
from settings import Settings

TYPES = {each.name: each for each in list_event_types().data}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_its_schema_and_another_type_does_not(name: str) -> None:
    check = Draft202012Validator(TYPES[name].schema_)
    check.validate(TYPES[name].example)
    assert not check.is_valid(TYPES[name].example | {"type": "shop.order.paid"})
    assert not check.is_valid(TYPES[name].example | {"data": {}})


def test_what_a_webhook_may_ask_for_is_said_of_each() -> None:
    assert {name for name, each in TYPES.items() if each.selectable} == {kind.value for kind in ChangeType}
    for name, each in TYPES.items():
        order = {"url": "https://hooks.example.com/x", "events": [name]}
        with nullcontext() if each.selectable else pytest.raises(ValidationError, match="is none of"):
            WebhookOrder.model_validate(order)


def test_the_document_has_each_type_with_its_example(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == set(NAMES)
    for name, entry in document["webhooks"].items():
        content = entry["post"]["requestBody"]["content"]["application/json"]
        whole = {**content["schema"], "components": document["components"]}
        Draft202012Validator(whole).validate(content["example"])
        assert content["example"] == TYPES[name].example
        assert datetime.fromisoformat(content["example"]["timestamp"]) < datetime.now(UTC)
