"""A proxy that shows a running system below a path of its own, as operators do; for one address at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PREFIX = "/ops/celeriac"
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


@contextmanager
def proxied(url: str) -> Iterator[str]:
    """The address below which the system at `url` is shown; what lies beside it is 404."""
    with httpx.Client(base_url=url, timeout=30) as client:

        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # A stream never ends, and this proxy hands on whole answers: the page shall do without.
                if not self.path.startswith(f"{PREFIX}/") or "/live/stream" in self.path:
                    self.send_error(404)
                    return
                answer = client.get(self.path.removeprefix(PREFIX), headers={"Accept-Encoding": "identity"})
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, format: str, *arguments: object) -> None:
                """Not on stderr."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
