"""What is wrong with an answer, if anything: no server error, nothing undocumented, nothing that hangs."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bench.fuzzing.operations import Operation
from bench.fuzzing.requests import Expected, FuzzedRequest
from bench.fuzzing.wire import Answer

UNAVAILABLE = 503
CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")
SANE_ID = re.compile(r"[\x20-\x7e]{1,128}")
MOST_ERRORS = 100
LONGEST_ERROR = 64 * 1024
"""Bytes of an error's body, however many things are wrong."""
OF_ANY_PATH = frozenset({400, 403, 404, 405, 413, 414, 415, 421, 431})
"""Statuses of errors where the path, or the method, is none of the API's."""
SHOWN = 300


def complaints(request: FuzzedRequest, answer: Answer) -> list[str]:
    """Return sentences, none for an answer that may be given."""
    if request.expected is Expected.NOTHING:
        return [f"answered {answer.status}"] if answer.status and answer.status >= 500 else []
    if answer.timed_out:
        if request.expected is Expected.ANYTHING:
            return []
        return [f"no answer within {answer.seconds:.0f} s"]
    if answer.status is None:
        return ["hung up without an answer"] if request.expected is Expected.DOCUMENTED else []
    if answer.status >= 500 and not _is_documented_outage(answer):
        return [f"server error {answer.status}: {_shown(answer)}"]
    if request.expected is Expected.REFUSED:
        return [f"taken with {answer.status}"] if answer.status < 400 else []
    if request.expected is Expected.ANYTHING:
        return []
    return [*_status(request.operation, answer), *_form(request, answer)]


def is_outage(answer: Answer) -> bool:
    """Tell whether it is a 503 in the form of our errors."""
    return answer.status == UNAVAILABLE and _is_documented_outage(answer)


def _status(operation: Operation | None, answer: Answer) -> Iterator[str]:
    assert answer.status is not None
    code = _body(answer).get("code") if answer.status >= 400 else None
    if operation is None:
        if answer.status >= 400 and answer.status not in OF_ANY_PATH:
            yield f"undocumented status {answer.status}: {_shown(answer)}"
    elif answer.status not in operation.codes:
        yield f"undocumented status {answer.status}: {_shown(answer)}"
    elif code and operation.codes[answer.status] and code not in operation.codes[answer.status]:
        yield f"undocumented code {code} with {answer.status}"


def _form(request: FuzzedRequest, answer: Answer) -> Iterator[str]:
    assert answer.status is not None
    sent_id = answer.headers.get("x-request-id", "")
    if not SANE_ID.fullmatch(sent_id):
        yield f"X-Request-ID is {sent_id[:SHOWN]!r}"
    if answer.status < 400 or request.head_only:
        return
    body = _body(answer)
    if not isinstance(body.get("detail"), str) or not CODE.fullmatch(str(body.get("code"))):
        yield f"not the form of our errors: {_shown(answer)}"
        return
    if body.get("request_id") != sent_id:
        yield f"request_id {str(body.get('request_id'))[:SHOWN]!r} is not that of the header {sent_id!r}"
    if not _is_time(body.get("timestamp")):
        yield f"timestamp is {str(body.get('timestamp'))[:SHOWN]}"
    if len(body.get("errors") or ()) > MOST_ERRORS:
        yield f"{len(body['errors'])} errors"
    if len(answer.body) > LONGEST_ERROR:
        yield f"an error of {len(answer.body):,} bytes"


def _is_documented_outage(answer: Answer) -> bool:
    return answer.status == UNAVAILABLE and ("code" in _body(answer) or "status" in _body(answer))


def _body(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and text.endswith("Z") and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _shown(answer: Answer) -> str:
    return answer.body[:SHOWN].decode("utf-8", "replace")
