"""The embedded servers: data survive a kill, passwords stay private, and what cannot work says so in one sentence."""

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from cli.embedded import postgres as embedded_postgres
from cli.embedded.files import kept_port, make_folder
from cli.embedded.postgres import prepare_postgres
from cli.embedded.valkey import prepare_valkey
from cli.errors import CliError
from tests.embedded import Server, running
from tests.patience import wait_for

ROOT = Path(__file__).parents[3]
UNPRIVILEGED = 65534


@pytest.fixture(scope="module")
def postgres_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stopped cluster, made once."""
    folder = tmp_path_factory.mktemp("cluster")
    prepare_postgres(folder, durable=False)
    return folder


@pytest.fixture
def cluster_copy(postgres_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(postgres_folder, tmp_path / "postgres")


def kill(server: Server) -> None:
    """kill -9 of the process that listens on the server's port."""
    for process in psutil.process_iter(["cmdline"]):
        argv = process.info["cmdline"] or []
        if str(server.port) in " ".join(argv) and (f"port={server.port}" in argv or "valkey-server" in argv[0]):
            process.kill()
            process.wait(10)
            return
    raise AssertionError("no process of this server found")


def test_postgres_keeps_what_was_committed_over_a_kill(cluster_copy: Path) -> None:
    log = cluster_copy / "log"
    with running(lambda: prepare_postgres(cluster_copy), log) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table kept as select generate_series(1, 1000) as n")
        kill(server)
    with running(lambda: prepare_postgres(cluster_copy), log) as again, psycopg.connect(again.url) as connection:
        assert connection.execute("select sum(n) from kept").fetchone() == (500_500,)
        assert again.url == server.url


def test_valkey_keeps_what_is_older_than_a_second_over_a_kill(tmp_path: Path) -> None:
    with running(lambda: prepare_valkey(tmp_path), tmp_path / "log") as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
            # appendfsync everysec; the write itself reaches the kernel before the answer.
            _wait_for_fsync(client)
        kill(server)
    with running(lambda: prepare_valkey(tmp_path), tmp_path / "log") as again:
        assert again.url == server.url
        with redis.Redis.from_url(again.url, decode_responses=True) as client:
            assert client.get("kept") == "yes"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_postgres_has_the_settings_that_our_queries_count_on(cluster_copy: Path) -> None:
    with running(lambda: prepare_postgres(cluster_copy), cluster_copy / "log") as server:
        with psycopg.connect(server.url) as connection:
            told = {name: connection.execute(f"show {name}").fetchone() for name in ("timezone", "server_encoding")}
            told["fsync"] = connection.execute("show fsync").fetchone()
            connection.execute("create extension pg_stat_statements")
        assert told == {"timezone": ("UTC",), "server_encoding": ("UTF8",), "fsync": ("on",)}


@pytest.mark.parametrize("prepare", [prepare_postgres, prepare_valkey])
def test_a_password_is_in_no_argument_and_in_no_file_that_others_can_read(prepare: object, tmp_path: Path) -> None:
    assert callable(prepare)
    server = prepare(tmp_path)
    assert server.password not in " ".join(server.command)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        if server.password.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_port_that_was_taken_meanwhile_is_replaced_and_then_kept(tmp_path: Path) -> None:
    first = kept_port(tmp_path)
    assert kept_port(tmp_path) == first
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first))
        squatter.listen()
        second = kept_port(tmp_path)
    assert second != first
    assert kept_port(tmp_path) == second


def test_data_of_another_version_are_refused_and_left_alone(cluster_copy: Path) -> None:
    version = cluster_copy / "cluster" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(CliError, match="made by PostgreSQL 16 and this is PostgreSQL 18"):
        prepare_postgres(cluster_copy)
    assert version.read_text() == "16\n"


def test_a_folder_that_is_no_cluster_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "precious.txt").write_text("mine")
    with pytest.raises(CliError, match="holds no readable PostgreSQL data"):
        prepare_postgres(tmp_path)
    assert (tmp_path / "cluster" / "precious.txt").read_text() == "mine"


def test_a_cluster_that_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "half").touch()
    assert prepare_postgres(tmp_path, durable=False).cluster.is_dir()
    assert not (tmp_path / "cluster.new").exists()


def test_a_missing_binary_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CliError, match="CELERIAC_DATABASE_URL"):
        prepare_postgres(tmp_path / "postgres")
    with pytest.raises(CliError, match="CELERIAC_BROKER_URL"):
        prepare_valkey(tmp_path / "valkey")


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match=r"The data folder .*file cannot be written"):
        make_folder(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_needs_no_detour(world_readable: Path) -> None:
    code = f"""
        from pathlib import Path
        from tests.embedded import postgres, valkey
        import psycopg
        with postgres(Path({str(world_readable / "postgres")!r})) as url, psycopg.connect(url) as connection:
            print(connection.execute("select 42").fetchone()[0])
        with valkey(Path({str(world_readable / "valkey")!r})):
            print("valkey")
    """
    done = _run_unprivileged([_interpreter_for_everyone(), "-c", textwrap.dedent(code)])
    assert (done.stdout.split(), done.stderr) == (["42", "valkey"], "")
    assert (world_readable / "postgres" / "cluster").stat().st_uid == UNPRIVILEGED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a detour")
def test_root_without_user_namespaces_becomes_nobody(monkeypatch: pytest.MonkeyPatch, world_readable: Path) -> None:
    binaries = _binaries_at(world_readable / "site", monkeypatch)
    binaries.chmod(0o755)
    monkeypatch.setattr(embedded_postgres, "_namespaces_work", lambda: False)
    folder = world_readable / "postgres"
    with (
        running(lambda: prepare_postgres(folder, durable=False), world_readable / "log") as server,
        psycopg.connect(server.url) as connection,
    ):
        assert connection.execute("select 42").fetchone() == (42,)
    assert (folder / "cluster").stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a detour")
def test_root_is_told_when_nobody_cannot_reach_the_binaries(
    monkeypatch: pytest.MonkeyPatch, world_readable: Path
) -> None:
    binaries = _binaries_at(world_readable / "site", monkeypatch)
    binaries.chmod(0o700)
    monkeypatch.setattr(embedded_postgres, "_namespaces_work", lambda: False)
    with pytest.raises(CliError, match=r"nobody cannot run .*CELERIAC_DATABASE_URL"):
        prepare_postgres(world_readable / "postgres")


def _binaries_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy whose permissions a test may set: a checkout can lie where only root may enter."""
    package = embedded_postgres._binary("postgres").parents[2]
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, folder / source.name)
    binaries = folder / package.name / "pginstall" / "bin"
    monkeypatch.setattr(embedded_postgres, "_binary", lambda name: binaries / name)
    return binaries


@pytest.fixture
def world_readable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every user can enter and write, unlike pytest's own."""
    folder = Path("/tmp") / f"celeriac-test-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def _interpreter_for_everyone() -> str:
    """This Python, or the system's of the same version where ours is below a folder that only root can enter."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            if _run_unprivileged([candidate, "-c", "import psycopg"]).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("other users can run no Python of this version")


def _run_unprivileged(argv: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    return subprocess.run(
        argv,
        user=UNPRIVILEGED,
        group=UNPRIVILEGED,
        extra_groups=[],
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _wait_for_fsync(client: redis.Redis) -> None:
    wait_for(lambda: not client.info("persistence")["aof_pending_bio_fsync"])
