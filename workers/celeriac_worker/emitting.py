"""Events of your own, told to Celeriac over its REST API: `emit` says what has happened, and who wants it is told.

It needs no worker: any process of yours may call it. Nothing is kept here; what the API did not take is an error.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_SECONDS = 5.0
DEFAULT_URL = "http://127.0.0.1:8000"
MAX_ANSWER_BYTES = 65_536

# The environment's web proxy is not the way to a control plane.
_opener = build_opener(ProxyHandler({}))


class EmitError(Exception):
    """The API did not take an event; whether it is to be told again is for the caller to say."""


def emit(
    type: str,
    *,
    subject: str,
    data: dict[str, Any] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Tell of an event. `type` is words with dots between them, e.g. `shop.order.paid`; `subject` what it happened to.

    The API is at CELERIAC_URL, and the key in CELERIAC_API_KEY. Raises EmitError.
    """
    url = os.environ.get("CELERIAC_URL", DEFAULT_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise EmitError("CELERIAC_URL must begin with http:// or https://")
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("CELERIAC_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"type": type, "subject": subject, "data": data or {}}).encode()
    request = Request(f"{url}/api/v1/events", body, headers, method="POST")  # noqa: S310  its scheme was looked at
    try:
        with _opener.open(request, timeout=timeout_seconds):
            return
    except HTTPError as error:
        raise EmitError(_detail_of(error)) from None
    except (URLError, OSError, ValueError) as error:
        raise EmitError(f"the API was not reached: {error.__class__.__name__}") from None  # its text may hold the URL


def _detail_of(error: HTTPError) -> str:
    try:
        detail = json.loads(error.read(MAX_ANSWER_BYTES))["detail"]
    except (ValueError, KeyError, TypeError, OSError):
        detail = "no reason given"
    return f"the API answered {error.code}: {detail}"
