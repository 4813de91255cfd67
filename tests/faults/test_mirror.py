"""The mirror's process while its Postgres is not there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from bench.stack import free_ports
from domain.redis_keys import STREAM_KEY
from gateway.events.stream import GROUP
from tests.patience import wait_for

GRACE_SECONDS = 10
"""What `celeriac up` gives it."""


@contextmanager
def mirror(folder: Path, database_url: str, *, valkey_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `celeriac mirror` that has made the stream."""
    urls = {
        "CELERIAC_DATABASE_URL": database_url,
        "CELERIAC_BROKER_URL": f"{valkey_url}/0",
        "CELERIAC_RESULT_URL": f"{valkey_url}/1",
        "CELERIAC_REDIS_URL": f"{valkey_url}/2",
    }
    with (folder / "mirror.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "mirror"], env=os.environ | urls, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["refuses", "does not answer"])
def absent_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Postgres that is down, and one that is frozen: connections to it open and stay silent."""
    if request.param == "refuses":
        yield f"postgresql://celeriac@127.0.0.1:{free_ports(1)[0]}/celeriac"
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"postgresql://celeriac@127.0.0.1:{silent.getsockname()[1]}/celeriac"


def test_it_leaves_within_its_grace_and_gives_back_what_it_could_not_store(
    absent_database_url: str, empty_valkey: str, tmp_path: Path
) -> None:
    log = tmp_path / "mirror.log"
    with (
        redis.Redis.from_url(f"{empty_valkey}/2", protocol=2) as client,
        mirror(tmp_path, absent_database_url, valkey_url=empty_valkey) as process,
    ):
        wait_for(lambda: client.exists(STREAM_KEY))
        client.xadd(STREAM_KEY, {"body": b'{"type": "task-received", "uuid": "a", "hostname": "w", "timestamp": 1}'})
        wait_for(lambda: b"batch_not_written" in log.read_bytes())
        wait_for(lambda: client.xpending(STREAM_KEY, GROUP)["pending"])
        told_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(GRACE_SECONDS) == 0
        assert time.monotonic() - told_at < GRACE_SECONDS - 2, "too near to being killed"
        assert client.xlen(STREAM_KEY) == 1
    assert b"Traceback" not in log.read_bytes()
