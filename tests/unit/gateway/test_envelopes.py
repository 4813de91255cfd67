"""What a message says for its submission, and what it leaves to the worker's own settings."""

from types import SimpleNamespace

import pytest
from celery.app.task import Context, get_actual_ignore_result  # type: ignore[attr-defined]

from domain.redaction.rules import Redaction, parse_places
from gateway.envelopes import EnvelopeMaker
from gateway.messages import TaskMessage
from tests.gateway_messages import make_message


def headers_of(**said: object) -> dict[str, object]:
    told = {"args": [], "kwargs": {}, "priority": 5, "timeout_seconds": None, "max_retries": None, "dispatch_no": 1}
    message = TaskMessage(task_id="t", task_name="shop.pay", queue_name="q", **(told | said))  # type: ignore[arg-type]
    return EnvelopeMaker().make(message, priority=5).headers


def test_whether_results_are_ignored_is_left_to_the_task() -> None:
    own = SimpleNamespace(ignore_result=True)
    assert get_actual_ignore_result(own, Context(headers_of())) is True


def test_what_the_submission_does_not_say_is_said_to_nobody() -> None:
    headers = headers_of()
    assert headers["timelimit"] == [None, None]
    assert not any(headers[name] for name in ("expires", "eta", "shadow", "retries", "stamped_headers", "stamps"))
    assert "celeriac_max_retries" not in headers


def test_what_the_submission_says_is_said() -> None:
    headers = headers_of(timeout_seconds=7, max_retries=2)
    assert (headers["timelimit"], headers["celeriac_max_retries"]) == ([7, None], 2)


@pytest.mark.parametrize("padding", ["", "x" * 3_000])
def test_texts_of_arguments_hide_what_is_secret_and_the_body_does_not(padding: str) -> None:
    message = make_message(
        "shop.pay", {"api_key": "cAnArY"}, kwargs={"password": "cAnArY", "pan": "cAnArY", "note": padding}
    )
    rules = parse_places(["shop.pay:/kwargs/pan"])
    envelope = EnvelopeMaker(redaction=Redaction(rules)).make(message, priority=5)
    assert "cAnArY" not in repr(envelope.headers)
    assert envelope.headers["argsrepr"] == "({'api_key': '[masked]'},)"
    assert envelope.headers["kwargsrepr"].startswith("{'password': '[masked]', 'pan': '[masked]', 'note': '")
    assert len(envelope.headers["kwargsrepr"]) < 1_100
    assert envelope.body.count("cAnArY") == 3
