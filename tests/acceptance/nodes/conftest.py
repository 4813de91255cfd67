"""Nodes for pytest-celery: containers where a Docker engine answers, processes of this machine elsewhere.

CELERY_NODES=process or =docker chooses one; unset, the engine is asked. Either way a worker's folder holds `app.py`,
which a test module may give in its fixture `worker_app`, and the sources of our tasks and of the plugin.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest
from pytest_celery import CELERY_REDIS_BACKEND, CELERY_REDIS_BROKER, CeleryTestBackend, CeleryTestBroker
from pytest_celery.vendors.worker.content import utils

from tests.acceptance.nodes.processes import LocalValkey, LocalWorker

ROOT = Path(__file__).parents[3]


def _engine_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    try:
        client = docker.from_env(timeout=2)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


NODES = os.environ.get("CELERY_NODES") or ("docker" if _engine_answers() else "process")


@pytest.fixture
def worker_app() -> str:
    """Source of the worker's `app.py`: our own app, unless a test gives another."""
    return "from tasks.app import app\n"


@pytest.fixture
def default_worker_initial_content(worker_app: str) -> dict[str, bytes]:
    sources = [ROOT / "celeryconfig.py", *(ROOT / "tasks").glob("*.py")]
    content = {str(path.relative_to(ROOT)): path.read_bytes() for path in sources}
    plugin = ROOT / "workers"
    content |= {str(path.relative_to(plugin)): path.read_bytes() for path in (plugin / "celeriac_worker").glob("*.py")}
    return content | {"app.py": worker_app.encode(), "utils.py": Path(utils.__file__).read_bytes()}


@pytest.fixture
def default_worker_env(
    celery_worker_cluster_config: Mapping[str, Mapping[str, Mapping[str, list[str]]]],
) -> dict[str, str]:
    (broker_url,) = celery_worker_cluster_config["celery_broker_cluster_config"]["urls"]
    (result_url,) = celery_worker_cluster_config["celery_backend_cluster_config"]["urls"]
    return {"CELERIAC_BROKER_URL": str(broker_url), "CELERIAC_RESULT_URL": str(result_url)}


@pytest.fixture(params=[CELERY_REDIS_BROKER])
def celery_broker(request: pytest.FixtureRequest) -> Iterator[CeleryTestBroker]:
    """Redis alone: pytest-celery would run each test on RabbitMQ too."""
    broker: CeleryTestBroker = request.getfixturevalue(request.param)
    yield broker
    broker.teardown()


@pytest.fixture(params=[CELERY_REDIS_BACKEND])
def celery_backend(request: pytest.FixtureRequest) -> Iterator[CeleryTestBackend]:
    backend: CeleryTestBackend = request.getfixturevalue(request.param)
    yield backend
    backend.teardown()


if NODES == "process":

    @pytest.fixture
    def default_redis_broker(tmp_path: Path) -> Iterator[LocalValkey]:
        yield from _running_valkey("broker", tmp_path)

    @pytest.fixture
    def default_redis_backend(tmp_path: Path) -> Iterator[LocalValkey]:
        yield from _running_valkey("backend", tmp_path)

    @pytest.fixture
    def default_worker_container(
        tmp_path: Path,
        default_worker_initial_content: dict[str, bytes],
        default_worker_command: list[str],
        default_worker_env: dict[str, str],
    ) -> Iterator[LocalWorker]:
        folder = tmp_path / "worker"
        folder.mkdir()
        worker = LocalWorker(
            "node",
            folder,
            content=default_worker_initial_content,
            command=[*default_worker_command, "-c", "1"],
            environment=default_worker_env,
        )
        worker.ready()
        yield worker
        worker.stop()


def _running_valkey(name: str, folder: Path) -> Iterator[LocalValkey]:
    valkey = LocalValkey(name, folder / name)
    valkey.ready()
    yield valkey
    valkey.stop()
