"""Where notifications arrive in tests: a real HTTP server and a real SMTP server on loopback, which keep what comes."""

import asyncio
import email
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope

SECRET = "zq17-secret-of-the-channel"


class HttpReceiver:
    """What was posted, and how it answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = 204
        self.location: str | None = None
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.holds = threading.Event()
        """Answers only while it is set."""
        self.holds.set()

    @property
    def channel(self) -> str:
        """The URL of a channel that leads here."""
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}"


@contextmanager
def receiving_http() -> Iterator[HttpReceiver]:
    """A receiver of JSON, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.holds.wait(60)
            receiver.paths.append(urlsplit(self.path).path)
            receiver.bodies.append(json.loads(body))
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver = HttpReceiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.holds.set()
            server.shutdown()
            thread.join()


class SmtpReceiver:
    """What was mailed."""

    def __init__(self) -> None:
        self.port = 0
        self.answer = "250 OK"
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope, /) -> str:
        """Keep the mail, as aiosmtpd calls it."""
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=policy.default))
        return self.answer

    @property
    def channel(self) -> str:
        """The URL of a channel that leads here."""
        return f"mailto://127.0.0.1:{self.port}?mode=insecure&from={SECRET}@example.com&to=ops@example.com"


@asynccontextmanager
async def receiving_mail() -> AsyncIterator[SmtpReceiver]:
    """A receiver of mail, until the block ends."""
    receiver = SmtpReceiver()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(receiver, hostname="sink"), "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
