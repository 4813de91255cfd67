"""Fixtures that every test folder may use: real servers, one of each per test process, empty for every test."""

import gc
import uuid
from collections.abc import Iterator
from types import FunctionType
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
import redis
from xdist.scheduler import LoadScopeScheduling

import background
from store.migrate import migrate
from tests.embedded import postgres, quick_folder, valkey
from tests.patience import PATIENCE_SECONDS

TEMPLATE = "migrated"

SHARED_FOLDERS = ("tests/browser", "tests/contract", "tests/fuzz")
"""Whose files share one running stack; everywhere else servers are shared by the tests of one file."""
ACCEPTANCE = "tests/acceptance"
SHARING_FILES = tuple(
    f"{ACCEPTANCE}/test_{name}.py"
    for name in ("encryption", "first_light", "metrics", "redaction", "terminal", "workflows")
)
"""Those of this folder that share its stack; the others start what they need, and take long enough."""


gc.disable()

for ask in (httpx.get, httpx.post, httpx.put, httpx.patch, httpx.delete, httpx.request):
    # By itself httpx waits for 5 s: a slow and busy machine needs that to answer what is asked for the first time.
    function = cast("FunctionType", ask)
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "timeout": PATIENCE_SECONDS}


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and never through modules and tests, which stay: that was a third of collecting
    them, in each of the processes.
    """
    gc.freeze()
    gc.enable()


class ServersShared(LoadScopeScheduling):  # type: ignore[misc]
    """What shares a running server runs in one process, so that there is one; in the order of the folders, because
    the long ones come first in it.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file in SHARING_FILES:
            return ACCEPTANCE
        return next((folder for folder in SHARED_FOLDERS if file.startswith(f"{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Asked of the process that shares out; only where there are several."""
    return ServersShared(config, log)


@pytest.fixture(autouse=True)
def unasked_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Filled where a part of a process ends unasked, instead of ending the test run. Who wants that clears it."""
    ends: list[int] = []
    monkeypatch.setattr(background, "end_process", lambda: ends.append(background.EXIT_CODE))
    yield ends
    assert ends == []


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL of this test process; prefer `database_url`, which is yours alone."""
    with quick_folder() as folder, postgres(folder) as url:
        yield url


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey of this test process, without a database number; prefer `redis_url` and its siblings."""
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    """Name of a migrated database that is copied for each test: a copy takes far less than the migrations."""
    _execute(postgres_server, f"create database {TEMPLATE}")
    migrate(_with_path(postgres_server, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """URL of a migrated, empty database for one test."""
    name = f"test_{uuid.uuid4().hex}"
    _execute(postgres_server, f"create database {name} template {migrated_template} strategy file_copy")
    yield _with_path(postgres_server, name)
    _execute(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def unmigrated_database_url(postgres_server: str) -> Iterator[str]:
    """URL of a database without any table, for one test."""
    name = f"bare_{uuid.uuid4().hex}"
    _execute(postgres_server, f"create database {name}")
    yield _with_path(postgres_server, name)
    _execute(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def empty_valkey(valkey_server: str) -> str:
    """URL of the Valkey, without a database number, after every database was emptied."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def broker_url(empty_valkey: str) -> str:
    """Celery's broker: database 0, as under `celeriac up`."""
    return f"{empty_valkey}/0"


@pytest.fixture
def result_url(empty_valkey: str) -> str:
    """Celery's result backend: database 1."""
    return f"{empty_valkey}/1"


@pytest.fixture
def redis_url(empty_valkey: str) -> str:
    """Our own keys: database 2."""
    return f"{empty_valkey}/2"


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _with_path(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
