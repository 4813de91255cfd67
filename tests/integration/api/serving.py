"""The whole API on a free port of loopback, in a thread of the test process; ordinary HTTP clients talk to it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from settings import Settings
from tests.patience import wait_for

STOP_SECONDS = 60


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The base URL while it serves."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            create_app(settings),
            http="api.protocol:BoundedProtocol",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)
            assert not thread.is_alive()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    def has_started() -> bool:
        assert thread.is_alive(), "the server ended while starting"
        return server.started

    wait_for(has_started)
