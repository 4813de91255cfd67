"""A real Chromium where the machine has one, and pages of other sites for it to visit. All of it on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, Frame, Page

from bench.dashboard.chromium import PATIENCE_MS as PATIENCE_MS
from bench.dashboard.chromium import chromium as plain_chromium
from bench.dashboard.chromium import chromium_program as chromium_program

EVIL, REBOUND = "evil.example", "rebound.example"
"""Names of strangers that lead to this machine: the second is one whose page was fetched before it was pointed here."""

FETCH = """async ([url, options, patience]) => {
    try {
        const answer = await fetch(url, {signal: AbortSignal.timeout(patience), ...options});
        return {type: answer.type, status: answer.status, text: await answer.text()};
    } catch (error) {
        return {type: "error", status: 0, text: ""};
    }
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Without its own guard of local networks, which other browsers lack and a person may wave away."""
    names = ", ".join(f"MAP {name} 127.0.0.1" for name in (EVIL, REBOUND))
    guard = "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessChecks"
    only_here = f"--host-resolver-rules={names}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with plain_chromium(guard, only_here) as browser:
        yield browser


def fetch(page: Page | Frame, url: str, **options: object) -> tuple[str, int, str]:
    """What a script of the page gets: the type of the answer (`error`: nothing), its status and its text."""
    answer = page.evaluate(FETCH, [url, options, PATIENCE_MS])
    return answer["type"], answer["status"], answer["text"]


@contextmanager
def stranger() -> Iterator[int]:
    """The port of a site of somebody else's, with one empty page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><title>elsewhere</title><p>elsewhere"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *arguments: object) -> None:
        """Not on stderr."""
