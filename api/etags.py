"""ETags of answers: whoever asks again with `If-None-Match` gets 304 without a body while the answer is the same.

The tag is a hash of the body, so nothing has to know what an answer was made of. What is saved is its way, and the
work of whoever would parse it. Answers that are sent in parts (streams, files) or are large have none.
"""

import hashlib

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from api.middleware.scopes import headers_of

MAX_TAGGED_BYTES = 1024 * 1024
"""The largest body that is hashed: a MiB takes a millisecond."""
REVALIDATE = "private, no-cache"


def tagged(scope: Scope, send: Send) -> Send:
    """Return what sends the answer to a GET with its tag, or 304 in its place."""
    return _Tagging(scope, send)


class _Tagging:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _may_have_tag(message):
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                start, message = self._with_tag(start, message)
            await self._send(start)
        await self._send(message)

    def _with_tag(self, start: Message, message: Message) -> tuple[Message, Message]:
        body: bytes = message.get("body", b"")
        if len(body) > MAX_TAGGED_BYTES:
            return start, message
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers = MutableHeaders(scope=start)
        headers["ETag"] = tag
        headers.setdefault("Cache-Control", REVALIDATE)
        if not _is_known(tag, headers_of(self._scope, b"if-none-match")):
            return start, message
        del headers["Content-Length"]
        del headers["Content-Type"]
        return {**start, "status": 304}, {"type": "http.response.body", "body": b""}


def _may_have_tag(start: Message) -> bool:
    """Whether this is a good answer of ours, made just now: a last good one has its age, which is another each time."""
    headers = MutableHeaders(scope=start)
    is_json = headers.get("content-type", "").startswith("application/json")
    return start["status"] == 200 and is_json and "warning" not in headers and "etag" not in headers


def _is_known(tag: str, lines: list[str]) -> bool:
    """Whether the client has it. Tags that a proxy has made weak count as well: the bytes may differ, what is said does
    not.
    """
    tags = {each.strip().removeprefix("W/") for line in lines for each in line.split(",")}
    return tag in tags or "*" in tags
