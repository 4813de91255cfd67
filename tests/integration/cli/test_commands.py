"""Commands as a person runs them: sentences, exit codes, masking; nothing here needs a running stack."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from store.inspection import is_current
from store.migrate import migrate, pending_revisions
from tests.embedded import valkey

ROOT = Path(__file__).parents[3]
NOWHERE = "http://127.0.0.1:9"
NOWHERE_REDIS = "redis://127.0.0.1:9/0"


def celeriac(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv, env = invocation(*arguments, **environment)
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def invocation(*arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CELERIAC_")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "workers")])
    argv = [sys.executable, "-P", "-m", "cli", *arguments]
    return argv, {**kept, "PYTHONPATH": path, "COLUMNS": "200", **environment}


def test_help_lists_every_command() -> None:
    listed = celeriac("--help").stdout
    for name in ("up", "api", "mirror", "loops", "worker", "flower", "migrate", "doctor", "submit", "task", "settings"):
        assert f" {name} " in listed


@pytest.mark.parametrize("command", ["api", "mirror", "loops", "worker", "flower", "migrate"])
def test_a_door_without_the_urls_it_needs_names_them(command: str, tmp_path: Path) -> None:
    done = celeriac(command, CELERIAC_DATA=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("celeriac: CELERIAC_")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["up", "api", "mirror", "loops", "worker", "flower"])
def test_a_url_of_a_kind_that_nobody_speaks_stops_a_door_in_one_sentence(command: str, tmp_path: Path) -> None:
    urls = {f"CELERIAC_{name}_URL": NOWHERE_REDIS for name in ("BROKER", "REDIS")}
    urls["CELERIAC_DATABASE_URL"] = "postgresql://u:p@127.0.0.1:9/db"
    done = celeriac(command, CELERIAC_DATA=str(tmp_path), CELERIAC_RESULT_URL="redsi://:s3cret@h/1", **urls)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("celeriac: CELERIAC_RESULT_URL: is of the kind redsi://")
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr


def test_settings_are_listed_without_secrets() -> None:
    done = celeriac(
        "settings",
        "--json",
        CELERIAC_DATABASE_URL="postgresql://u:s3cret@host/db",
        CELERIAC_API_KEYS="s3cret-of-this-test,another-of-this-test:read",
    )
    rows = {row["variable"]: row["value"] for row in json.loads(done.stdout)}
    assert rows["CELERIAC_DATABASE_URL"] == "postgresql://u:***@host/db"
    assert rows["CELERIAC_API_KEYS"] == "***,***"
    assert rows["CELERIAC_PORT"] == "8000"


def test_a_client_that_finds_no_api_says_how_to_start_one() -> None:
    done = celeriac("task", "some-id", "--url", NOWHERE)
    assert done.returncode == 1
    assert done.stderr.startswith(f"celeriac: No answer from {NOWHERE}")
    assert "`celeriac up`" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--args", "{"], "--args is not JSON"),
        (["--args", "{}"], "--args must be a JSON array."),
        (["--kwargs", "[]"], "--kwargs must be a JSON object."),
    ],
)
def test_arguments_that_are_no_json_are_refused_before_anything_is_sent(arguments: list[str], sentence: str) -> None:
    done = celeriac("submit", "celeriac.add", "--url", NOWHERE, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"celeriac: {sentence}")


def test_doctor_says_what_is_not_set_and_fails(tmp_path: Path) -> None:
    done = celeriac("doctor", "--json", "--url", NOWHERE, "--data", str(tmp_path))
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert findings["database"]["verdict"] == "fail"
    assert "CELERIAC_DATABASE_URL is not set" in findings["database"]["detail"]
    assert findings["celery"]["verdict"] == "ok"
    assert all(finding["mend"] for finding in findings.values() if finding["verdict"] == "fail")


def test_doctor_finds_servers_well_and_migrations_pending(
    unmigrated_database_url: str, broker_url: str, result_url: str, redis_url: str
) -> None:
    done = celeriac(
        "doctor",
        "--json",
        "--url",
        NOWHERE,
        CELERIAC_DATABASE_URL=unmigrated_database_url,
        CELERIAC_BROKER_URL=broker_url,
        CELERIAC_RESULT_URL=result_url,
        CELERIAC_REDIS_URL=redis_url,
    )
    verdicts = {finding["subject"]: finding["verdict"] for finding in json.loads(done.stdout)}
    assert [subject for subject, verdict in verdicts.items() if verdict != "ok"] == ["migrations", "api"]
    assert {"database", "database clock", "broker", "redis", "redis clock", "results"} <= verdicts.keys()


def test_doctor_says_what_the_mirror_was_refused_and_which_results_are_not_read(
    database_url: str, broker_url: str, redis_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into task_results (task_id, unreadable) values ('t', 'is pickled')")
    with redis.Redis.from_url(redis_url) as client:
        client.hset("celeriac:counters", "events_refused", 7)
    servers = {"DATABASE": database_url, "BROKER": broker_url, "REDIS": redis_url, "RESULT": "rpc://"}
    done = celeriac(
        "doctor", "--json", "--url", NOWHERE, **{f"CELERIAC_{name}_URL": url for name, url in servers.items()}
    )
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert "7 were none of Celery's" in findings["events"]["detail"]
    assert findings["unread results"]["detail"] == "the result is pickled (1 time)"
    assert "rpc are not read" in findings["results"]["detail"]
    assert {findings[name]["verdict"] for name in ("events", "unread results", "results")} == {"warn"}


def test_doctor_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            servers = {f"CELERIAC_{name}_URL": url for name in ("BROKER", "REDIS", "RESULT")}
            done = celeriac("doctor", "--json", "--url", NOWHERE, "--data", str(tmp_path), **servers)
        finally:
            os.kill(pid, signal.SIGCONT)
    findings = {finding["subject"]: finding["verdict"] for finding in json.loads(done.stdout)}
    assert {findings[name] for name in ("broker", "redis", "results")} == {"fail"}


def test_doctor_shows_no_password_of_a_server_that_does_not_answer() -> None:
    done = celeriac(
        "doctor",
        "--url",
        NOWHERE,
        CELERIAC_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:9/db",
        CELERIAC_BROKER_URL="redis://:s3cret@127.0.0.1:9/0",
    )
    assert "fail database: postgresql://u:***@127.0.0.1:9/db" in done.stdout
    assert "fail broker: redis://:***@127.0.0.1:9/0" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


def test_migrate_tells_what_it_applied_and_then_nothing(unmigrated_database_url: str) -> None:
    assert not is_current(unmigrated_database_url)
    expected = pending_revisions(unmigrated_database_url)
    first = celeriac("migrate", "--json", CELERIAC_DATABASE_URL=unmigrated_database_url)
    assert json.loads(first.stdout) == {"applied": expected}
    second = celeriac("migrate", CELERIAC_DATABASE_URL=unmigrated_database_url)
    assert (second.returncode, second.stdout) == (0, "nothing to apply\n")


def test_what_counts_as_current_is_what_the_migrations_end_with(unmigrated_database_url: str) -> None:
    migrate(unmigrated_database_url)
    assert is_current(unmigrated_database_url)
    with psycopg.connect(unmigrated_database_url) as connection:
        connection.execute("update alembic_version set version_num = 'older'")
    assert not is_current(unmigrated_database_url)


def test_migrate_without_a_server_is_one_sentence() -> None:
    done = celeriac("migrate", CELERIAC_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:9/db")
    assert done.returncode == 1
    assert done.stderr.startswith("celeriac: The database of CELERIAC_DATABASE_URL could not be migrated: ")
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        yield squatter.getsockname()[1]


@pytest.mark.parametrize("option", ["--port", "--flower-port"])
def test_up_refuses_a_taken_port_before_it_touches_anything(option: str, taken_port: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = celeriac("up", "--data", str(data), "--port", "0", option, str(taken_port))
    assert done.returncode == 1
    assert done.stderr == f"celeriac: Port {taken_port} on 127.0.0.1 is in use; choose another with {option}.\n"
    assert not data.exists()


def test_up_tells_of_a_misspelt_variable_without_its_value(taken_port: int, tmp_path: Path) -> None:
    done = celeriac("up", "--data", str(tmp_path), "--port", str(taken_port), CELERIAC_KEEP_DAY="s3cret")
    told, refused = done.stderr.splitlines()
    assert told == "celeriac: nothing reads CELERIAC_KEEP_DAY; did you mean CELERIAC_KEEP_DAYS?"
    assert "in use" in refused


@pytest.mark.parametrize("door", ["api", "mirror", "loops"])
def test_a_door_logs_a_misspelt_variable_without_its_value(door: str) -> None:
    nowhere = {"CELERIAC_DATABASE_URL": "postgresql://127.0.0.1:9/db", "CELERIAC_BROKER_URL": "redis://127.0.0.1:9/0"}
    argv, env = invocation(door, CELERIAC_KEEP_DAY="s3cret", **nowhere)
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = process.stderr.readline()
        process.kill()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("variable_unknown", "warning")
    assert (told["variable"], told["perhaps"]) == ("CELERIAC_KEEP_DAY", "CELERIAC_KEEP_DAYS")
    assert "s3cret" not in line


@pytest.mark.parametrize("door", ["up", "api"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_address_without_keys_is_refused_before_anything_is_touched(
    door: str, host: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    nowhere = {"CELERIAC_DATABASE_URL": "postgresql://127.0.0.1:9/db", "CELERIAC_BROKER_URL": "redis://127.0.0.1:9/0"}
    done = celeriac(door, CELERIAC_HOST=host, CELERIAC_DATA=str(data), **nowhere)
    assert done.returncode == 2
    what, why, ways_out = done.stderr.splitlines()
    assert what == f"celeriac: The API would listen on {host} and ask nobody for a key."
    assert "run tasks" in why
    assert "CELERIAC_API_KEYS" in ways_out
    assert "CELERIAC_ALLOW_OPEN" in ways_out
    assert not data.exists()


def test_an_api_that_is_open_on_purpose_says_so_in_its_log() -> None:
    nowhere = {"CELERIAC_DATABASE_URL": "postgresql://127.0.0.1:9/db", "CELERIAC_BROKER_URL": "redis://127.0.0.1:9/0"}
    argv, env = invocation("api", CELERIAC_HOST="0.0.0.0", CELERIAC_PORT="0", CELERIAC_ALLOW_OPEN="yes", **nowhere)
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        told = json.loads(process.stderr.readline())
        process.kill()
    assert (told["event"], told["level"], told["host"]) == ("access_open", "warning", "0.0.0.0")


def test_doctor_says_the_same_of_an_open_address(tmp_path: Path) -> None:
    for keys, verdict in (({}, "fail"), ({"CELERIAC_API_KEYS": "a-key-of-this-test"}, "ok")):
        done = celeriac("doctor", "--json", "--url", NOWHERE, "--data", str(tmp_path), CELERIAC_HOST="0.0.0.0", **keys)
        findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
        assert findings["access"]["verdict"] == verdict
        assert "a-key-of-this-test" not in done.stdout


def test_up_refuses_an_address_that_is_not_ours(tmp_path: Path) -> None:
    done = celeriac("up", "--data", str(tmp_path), "--host", "192.0.2.1", CELERIAC_API_KEYS="a-key-of-this-test")
    assert done.returncode == 1
    assert done.stderr.startswith("celeriac: 192.0.2.1 cannot be listened on: ")


def test_up_refuses_data_of_another_version_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "cluster").mkdir(parents=True)
    (tmp_path / "postgres" / "cluster" / "PG_VERSION").write_text("16\n")
    done = celeriac("up", "--data", str(tmp_path), "--port", "0", "--flower-port", "0")
    sentences = [line for line in done.stderr.splitlines() if line.startswith("celeriac: ")]
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(sentences) == 1
    assert "was made by PostgreSQL 16 and this is PostgreSQL 18" in sentences[0]


def test_a_task_module_that_cannot_be_found_is_named(redis_url: str) -> None:
    done = celeriac("worker", CELERIAC_BROKER_URL=redis_url, CELERIAC_TASK_MODULES="no_such_module.jobs")
    assert done.returncode == 1
    assert done.stderr.startswith("celeriac: CELERIAC_TASK_MODULES names 'no_such_module.jobs'")
