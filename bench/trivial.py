"""An ASGI app that reads a body and answers 201: what a server does that does nothing. The generator's ceiling."""

from typing import Any

ANSWER = b'{"task_id": "0195536c-0000-7000-8000-000000000001", "status": "PENDING"}'


async def app(scope: dict[str, Any], receive: Any, send: Any, /) -> None:
    """Read the body and answer 201."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})
