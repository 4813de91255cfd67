"""What a run with encrypted arguments is given, and what others get to see of it."""

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celeriac_worker import payloads
from celeriac_worker.payloads import KEYS_VARIABLE, MARK, PayloadError, PayloadKeys, open_error, open_result, seal
from celeriac_worker.sealing import PayloadOpening, SealedError, holds_mark, open_payloads
from celery import Celery
from celery.exceptions import Ignore, ImproperlyConfigured, Reject, Retry, SoftTimeLimitExceeded

from tests.facts import NOON

CANARY = "4711-canary"
KEYS = PayloadKeys({"k2": b"2" * 32, "k1": b"1" * 32})
given: list[Any] = []
"""What the tasks were given."""


class Stop(Exception):
    """An exception of an app."""


def pay(self: Any, card: Any, *ways: Any, **others: Any) -> Any:
    (how,) = ways or ("returns",)
    given.append([card, others] if others else card)
    if how == "exits":
        sys.exit(card)
    if how == "retries":
        raise self.retry(exc=KeyError(card), countdown=0)
    if how == "retries otherwise":
        raise self.retry((card, "returns"), {"note": card}, exc=KeyError(card), countdown=0)
    if isinstance(how, str) and how.startswith("raises"):
        raise {
            "raises": Stop(f"no {card}"),
            "raises Reject": Reject(card, requeue=True),
            "raises Ignore": Ignore(card),
            "raises SoftTimeLimitExceeded": SoftTimeLimitExceeded(card),
        }[how]
    return object() if how == "returns no JSON" else f"paid {card}"


@pytest.fixture
def app() -> Iterator[Any]:
    given.clear()
    app: Any = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    make = {"bind": True, "shared": False, "max_retries": 1}
    app.task(name="shop.pay", **make)(pay)
    app.task(name="shop.book", celeriac_takes_results_of=["shop.pay"], **make)(pay)
    app.task(name="shop.secret", celeriac_seals_result=True, **make)(pay)
    app.task(name="shop.again", autoretry_for=(Stop,), retry_kwargs={"countdown": 0}, **make)(pay)
    for task in app.tasks.values():
        open_payloads(task, KEYS)
    yield app
    app.close()


def part(value: Any = CANARY, task_name: str = "shop.pay", *, kid: str | None = None) -> dict[str, Any]:
    return seal(value, task_name=task_name, kid=kid, keys=KEYS)


def run(app: Any, *args: Any, task: str = "shop.pay", **kwargs: Any) -> Any:
    return app.tasks[task].apply(args, kwargs)


def test_the_run_is_given_the_value_and_its_result_is_sealed(app: Any) -> None:
    done = run(app, part(kid="k1"))
    assert given == [CANARY]
    assert done.result[MARK]["kid"] == "k1"
    assert CANARY not in json.dumps(done.result)
    assert open_result(done.result, task_name="shop.pay", task_id=done.id, keys=KEYS) == f"paid {CANARY}"


def test_parts_may_stand_anywhere_beside_what_is_readable(app: Any) -> None:
    run(app, [1, {"number": part({"a": [1, None]}), "name": "Ada"}], note=part("x", kid="k1"))
    assert given == [[[1, {"number": {"a": [1, None]}, "name": "Ada"}], {"note": "x"}]]


def test_a_run_without_encrypted_arguments_is_as_ever(app: Any) -> None:
    done = run(app, {"number": CANARY}, "raises")
    assert isinstance(done.result, Stop)
    assert run(app, CANARY).result == f"paid {CANARY}"


def test_a_task_may_have_its_result_sealed_always(app: Any) -> None:
    done = run(app, CANARY, task="shop.secret")
    assert open_result(done.result, task_name="shop.secret", task_id=done.id, keys=KEYS) == f"paid {CANARY}"
    assert done.result[MARK]["kid"] == "k2"
    assert isinstance(run(app, CANARY, "raises", task="shop.secret").result, SealedError)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (part(task_name="shop.other"), "sealed for another task"),
        ({MARK: part()[MARK] | {"kid": "k9"}}, "has no key 'k9'"),
        ({MARK: part()[MARK] | {"ct": part()[MARK]["ct"][:-4] + "AAAA"}}, "was changed"),
        ({MARK: part()[MARK], "more": 1}, "malformed"),
        ([{"a": {MARK: "text"}}], "malformed"),
        ({MARK: part()[MARK] | {"task_name": "shop.book", "task_id": "1"}}, "celeriac_takes_results_of"),
        ({MARK: part()[MARK] | {"task_name": "shop.book"}}, "malformed"),
    ],
)
@pytest.mark.parametrize("task", ["shop.pay", "shop.again"])
def test_what_cannot_be_opened_fails_at_once_without_a_run(app: Any, argument: Any, said: str, task: str) -> None:
    done = run(app, argument, task=task)
    assert isinstance(done.result, PayloadError)
    assert str(done.result).startswith("An encrypted argument cannot be opened: ")
    assert said in str(done.result) or task == "shop.again"
    assert (done.state, given) == ("FAILURE", [])


def test_keyword_arguments_are_not_encrypted_as_a_whole(app: Any) -> None:
    done = run(app, "x", **part())
    assert "not encrypted as a whole" in str(done.result)
    assert given == []


def test_whoever_has_no_key_or_no_package_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.task(name="shop.pay", bind=True, shared=False)(pay)
    open_payloads(app.tasks["shop.pay"], PayloadKeys({}))
    assert "has no key 'k2'" in str(run(app, part()).result)
    sealed = part()
    monkeypatch.setattr(payloads, "AESGCM", None)
    assert run(app, CANARY).result == f"paid {CANARY}"
    assert isinstance(run(app, sealed).result, PayloadError)
    app.close()


def test_a_failure_tells_its_class_and_seals_its_text(app: Any) -> None:
    done = run(app, part(), "raises")
    text = str(done.result)
    assert isinstance(done.result, SealedError)
    assert text.startswith("Stop {")
    assert open_error(text, task_name="shop.pay", task_id=done.id, keys=KEYS) == f"Stop('no {CANARY}')"
    assert CANARY not in text + done.traceback
    assert "in pay" in done.traceback
    assert done.result.__context__ is None


def test_a_result_that_is_no_json_fails_sealed(app: Any) -> None:
    done = run(app, part(), "returns no JSON")
    assert isinstance(done.result, SealedError)


@pytest.mark.parametrize("task", ["shop.pay", "shop.again"])
def test_a_retry_keeps_its_arguments_sealed_and_hides_its_reason(app: Any, task: str) -> None:
    done = run(app, part(task_name=task), "retries" if task == "shop.pay" else "raises", task=task)
    assert given == [CANARY, CANARY]
    assert isinstance(done.result, SealedError)
    assert CANARY not in str(done.result) + done.traceback


def test_arguments_that_a_retry_changes_are_sealed_with_the_same_key(app: Any) -> None:
    task = app.tasks["shop.pay"]
    task.push_request(id="1", args=[part()], kwargs={}, called_directly=False, is_eager=True, celeriac_kid="k1")
    with pytest.raises(Retry) as retry:
        task.retry((CANARY, part("as it was")), {"note": CANARY}, countdown=0)
    task.pop_request()
    sent = vars(retry.value)["sig"]
    assert CANARY not in repr(sent)
    assert {sent.args[0][MARK]["kid"], sent.kwargs["note"][MARK]["kid"]} == {"k1"}
    run(app, *sent.args[:1], **sent.kwargs)
    assert given == [[CANARY, {"note": CANARY}]]
    run(app, sent.args[1])
    assert given[1:] == ["as it was"]


def test_a_run_that_changes_its_arguments_is_given_the_new_ones(app: Any) -> None:
    done = run(app, part(), "retries otherwise")
    assert given == [CANARY, [CANARY, {"note": CANARY}]]
    assert open_result(done.result, task_name="shop.pay", task_id=done.id, keys=KEYS) == f"paid {CANARY}"


def test_a_retry_of_a_run_without_encrypted_arguments_sends_what_it_says(app: Any) -> None:
    run(app, "plain", "retries otherwise")
    assert given == ["plain", ["plain", {"note": "plain"}]]


@pytest.mark.parametrize(
    ("how", "state"), [("Reject", "REJECTED"), ("Ignore", "IGNORED"), ("SoftTimeLimitExceeded", "FAILURE")]
)
def test_what_celery_acts_on_stays_what_it_is_without_its_text(
    app: Any, how: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    done = run(app, part(), f"raises {how}")
    assert done.state == state
    assert CANARY not in f"{done.result!r}{done.traceback}{caplog.text}"
    if how == "Reject":
        assert done.result.requeue is True


@pytest.mark.parametrize(("code", "shown"), [(CANARY, 1), (3, 3), (None, None)])
def test_a_process_that_a_task_ends_prints_no_text(app: Any, code: Any, shown: int | None) -> None:
    with pytest.raises(SystemExit) as end:
        run(app, part(code), "exits")
    assert (end.value.code, CANARY in repr(end.value)) == (shown, False)


def test_the_result_of_one_task_opens_for_those_that_name_it_and_for_no_other(app: Any) -> None:
    sealed = run(app, part()).result
    booked = run(app, sealed, task="shop.book")
    assert given == [CANARY, f"paid {CANARY}"]
    assert booked.result[MARK]["task_name"] == "shop.book"
    assert isinstance(run(app, sealed).result, PayloadError)


def test_a_task_that_others_call_as_a_function_opens_and_gives_as_one(app: Any) -> None:
    assert app.tasks["shop.pay"](part()) == f"paid {CANARY}"
    assert app.tasks["shop.pay"]("plain") == "paid plain"


def test_when_a_worker_starts_every_task_learns_it_once(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    task = app.tasks["shop.pay"]
    before = (task.run, type(task))
    PayloadOpening(SimpleNamespace(app=app))
    assert (task.run, type(task)) == before
    assert type(task).__name__ == "pay"


def test_a_worker_with_a_malformed_variable_does_not_start(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, "nonsense")
    with pytest.raises(ImproperlyConfigured, match=KEYS_VARIABLE):
        PayloadOpening(SimpleNamespace(app=app))


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([], False),
        ([1, "$encrypted", None, {"a": [{"b": 1}]}], False),
        ([{MARK: 1}], True),
        ([[({"a": {MARK: 1}},)]], True),
        ([NOON, {"a": NOON}], False),
        ([NOON, {"a": NOON, "b": {MARK: 1}}], True),
    ],
)
def test_a_mark_is_found_however_deep(values: Any, holds: bool) -> None:
    assert holds_mark(values) is holds
    for _ in range(3_000):
        values = [values]
    assert holds_mark(values) is holds
