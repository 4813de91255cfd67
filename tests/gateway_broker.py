"""A Valkey that a test may kill, freeze and start again."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded.valkey import ValkeyServer, prepare_valkey
from tests.embedded import stop
from tests.patience import wait_for


class FragileBroker:
    """Its URLs stay the same over restarts; so do its data if `durable`."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self.broker_url = f"{server.url}/0"
        self.result_url = f"{server.url}/1"

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(self._server.answers, "Valkey answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            stop(self._process, self._server)
            self._process = None

    def freeze(self) -> None:
        """Still accepts TCP, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def fragile_broker(folder: Path, *, durable: bool = False) -> Iterator[FragileBroker]:
    """Started, and stopped at the end whatever the test did to it."""
    broker = FragileBroker(prepare_valkey(folder, durable=durable))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
