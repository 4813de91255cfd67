"""The plugin by an option of `celery worker`, in an app that knows nothing of it."""

from pathlib import Path

from gateway.control import Control
from tests.embedded import valkey
from tests.worker_process import ROOT, celery_worker

APP = """
import os

from celery import Celery

app = Celery("innocent", broker=os.environ["CELERIAC_BROKER_URL"])
"""


async def test_a_worker_that_includes_it_has_the_whole_plugin(tmp_path: Path) -> None:
    (tmp_path / "innocent.py").write_text(APP)
    (tmp_path / "valkey").mkdir()
    with (
        valkey(tmp_path / "valkey") as url,
        celery_worker(
            tmp_path,
            f"{url}/0",
            result_url=f"{url}/1",
            app="innocent",
            options=("-c", "1", "-I", "celeriac_worker.auto"),
            environment={"PYTHONPATH": f"{tmp_path}:{ROOT / 'workers'}"},
        ) as worker,
    ):
        control = Control(f"{url}/0")
        described = (await control.describe([worker.node]))[worker.node]
        await control.close()
    assert described.plugin
    assert {"pause", "cancel_gate", "max_retries"} <= set(described.capabilities)
