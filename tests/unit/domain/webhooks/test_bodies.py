import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.feed import Place, Told
from domain.webhooks.bodies import MAX_BODY, BodyFormat, event_id_of, write_body, write_test_body

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT_ID = event_id_of("0123456789ab", Place(7, 1_000_001))


def told(kind: str = "task.failed", **given: Any) -> Told:
    cells = {"subject_id": "a/b", "task_name": "shop.pay", "queue_name": "etl", "status": "FAILED"}
    return Told(Place(7, 1), AT, kind, **(cells | {"previous": "RUNNING", "data": {"attempt": 1}} | given))


def body_of(change: Told, form: BodyFormat = BodyFormat.STANDARD, **given: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(
        write_body(change, EVENT_ID, form=form, **({"public_url": "https://celeriac.example"} | given))
    )
    return written


def test_an_id_holds_no_dot_at_which_the_signed_text_is_divided() -> None:
    assert EVENT_ID == "evt_0123456789ab_7_1000001"


def test_a_standard_body_says_what_changed_and_when() -> None:
    assert body_of(told()) == {
        "type": "task.failed",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {
            "task_id": "a/b",
            "task_name": "shop.pay",
            "queue_name": "etl",
            "status": "FAILED",
            "previous": "RUNNING",
            "attempt": 1,
            "url": "https://celeriac.example/api/v1/tasks/a%2Fb",
        },
    }


def test_without_a_public_url_none_is_told_and_alerts_have_none() -> None:
    assert "url" not in body_of(told(), public_url=None)["data"]
    assert "url" not in body_of(told("alert.raised"))["data"]


def test_a_cloud_event_has_its_attributes() -> None:
    event = body_of(told(), BodyFormat.CLOUDEVENTS)
    data = event.pop("data")
    assert data["task_id"] == "a/b"
    assert event == {
        "specversion": "1.0",
        "id": EVENT_ID,
        "source": "https://celeriac.example",
        "type": "celeriac.task.failed.v1",
        "subject": "a/b",
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "application/json",
    }


def test_an_event_of_ones_own_keeps_its_name_and_without_a_url_the_source_is_a_path() -> None:
    event = body_of(told("shop.order.paid"), BodyFormat.CLOUDEVENTS, public_url=None)
    assert (event["type"], event["source"]) == ("shop.order.paid", "/celeriac")


def test_a_full_body_that_is_too_large_is_thin_and_says_so() -> None:
    small = body_of(told(), more={"result": "x"})
    assert small["data"]["result"] == "x"
    large = write_body(
        told(), EVENT_ID, form=BodyFormat.STANDARD, public_url=None, more={"result": "\u00fc" * MAX_BODY}
    )
    assert len(large.encode()) < MAX_BODY
    assert json.loads(large)["data"]["truncated"] is True
    assert "result" not in json.loads(large)["data"]


@pytest.mark.parametrize("form", list(BodyFormat))
def test_a_test_names_its_webhook(form: BodyFormat) -> None:
    body = json.loads(write_test_body("hook", EVENT_ID, at=AT, form=form, public_url=None))
    assert body["data"] == {"webhook_id": "hook"}
    assert "webhook.test" in body["type"]


def test_each_form_has_its_media_type() -> None:
    assert BodyFormat.STANDARD.content_type == "application/json"
    assert BodyFormat.CLOUDEVENTS.content_type == "application/cloudevents+json"
