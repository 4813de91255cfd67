"""A client that waits a while for an API that starts or restarts, so that no refused connection ends the demo."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from cli.client import Client, Json, NotReachable
from domain.server_urls import mask_url

PATIENCE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 4.0
NO_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError)


class PatientClient(Client):
    """Asks again for 30 s where there is no connection, and says so. Raises NotReachable after that."""

    def __init__(self, url: str, *, tell: Callable[[str], None]) -> None:
        super().__init__(url)
        self._tell = tell

    def _ask(self, method: str, path: str, *, accept: tuple[int, ...] = (), **request: Any) -> Json:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return super()._ask(method, path, accept=accept, **request)
            except NotReachable as error:
                if not isinstance(error.__cause__, NO_CONNECTION) or time.monotonic() >= ends_at:
                    raise
            if pause == FIRST_PAUSE_SECONDS:
                self._tell(f"No answer from {mask_url(self._url)} yet: it is asked again for {PATIENCE_SECONDS:.0f} s.")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
