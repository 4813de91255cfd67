"""docker-compose.yml, Dockerfile, .dockerignore and .env.example fit each other, the code and the specification."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.configuration import OF_THE_PLUGIN, read_settings
from cli.errors import CliError
from cli.main import COMMANDS
from settings import Settings
from tests.acceptance.compose import COMPOSE_FILE, REPOSITORY, interpolate, our_services, read_compose_file

TEXT = COMPOSE_FILE.read_text()
COMPOSE = read_compose_file()
OURS = our_services(COMPOSE)
REQUIRED = set(re.findall(r"\$\{(\w+):\?", TEXT))


def test_the_file_keeps_to_the_compose_specification() -> None:
    assert _check(COMPOSE_FILE) == 0


def test_a_misspelt_key_would_be_found(tmp_path: Path) -> None:
    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(TEXT.replace("depends_on:", "dependson:", 1))
    assert _check(misspelt) == 1


def test_every_service_of_ours_runs_a_command_of_ours() -> None:
    assert {name: service["command"][0] for name, service in OURS.items()} == {name: name for name in OURS}
    assert OURS.keys() <= COMMANDS.keys()


def test_every_variable_that_is_set_is_a_setting() -> None:
    known = {f"CELERIAC_{name.upper()}" for name in Settings.model_fields} | OF_THE_PLUGIN
    given = {name for service in OURS.values() for name in service["environment"] if name.startswith("CELERIAC_")}
    assert given <= known


def test_only_loopback_is_published() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_a_secret_that_is_not_given_stops_everything(missing: str) -> None:
    given = dict.fromkeys(REQUIRED - {missing}, "x")
    with pytest.raises(KeyError, match=missing):
        interpolate(COMPOSE, given)


def test_the_secrets_are_those_of_the_example() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == REQUIRED


def test_no_command_line_shows_a_secret() -> None:
    secrets = dict.fromkeys(REQUIRED, "very-secret")
    for service in interpolate(COMPOSE, secrets)["services"].values():
        words = [*service.get("command", []), *service.get("healthcheck", {}).get("test", [])]
        assert not [word for word in words if "very-secret" in word]


def test_services_that_need_the_tables_wait_for_the_migrations() -> None:
    waiting = {name for name, service in OURS.items() if "migrate" in service["depends_on"]}
    with_database = {name for name, service in OURS.items() if "CELERIAC_DATABASE_URL" in service["environment"]}
    assert waiting == with_database - {"migrate"}


def test_a_worker_that_was_drained_is_not_started_again() -> None:
    assert COMPOSE["services"]["worker"]["restart"] == "on-failure"
    lasting = COMPOSE["services"].keys() - {"worker", "migrate"}
    assert {COMPOSE["services"][name]["restart"] for name in lasting} == {"unless-stopped"}


def test_every_service_is_confined() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        # Tasks of people may want to write where they run.
        assert service["read_only"] is (name != "worker"), name
    assert {name for name, service in OURS.items() if "cap_add" in service} == set()


def test_what_runs_tasks_and_what_shows_them_cannot_reach_the_database() -> None:
    networks = {name: set(service["networks"]) for name, service in COMPOSE["services"].items()}
    with_database = {name for name, service in OURS.items() if "CELERIAC_DATABASE_URL" in service["environment"]}
    assert {name for name, joined in networks.items() if "database" in joined} == with_database | {"postgres"}
    assert networks["postgres"] == {"database"}
    assert COMPOSE["networks"]["database"]["internal"] is True
    for name, service in COMPOSE["services"].items():
        for needed in service.get("depends_on", {}):
            assert networks[name] & networks[needed] or needed in {"migrate", "mirror"}, (name, needed)


def test_the_example_starts_nothing_before_its_values_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    services = interpolate(OURS, example)
    for name in ("api", "mirror", "loops", "worker", "flower", "migrate"):
        with monkeypatch.context() as patched:
            for variable, value in services[name]["environment"].items():
                patched.setenv(variable, str(value))
            with pytest.raises(CliError, match="that of the example"):
                read_settings()


def test_secrets_beside_the_code_reach_neither_git_nor_the_image() -> None:
    ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
    assert {".env", ".env.*", "!.env.example", ".celeriac/"} <= set(ignored)
    kept_out = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = [number for number, line in enumerate(kept_out) if line.startswith("!")]
    assert kept_out.index("**/.env*") > max(allowed)


def test_the_image_gets_every_package_and_module() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    rooms = set(project["tool"]["importlinter"]["root_packages"]) - {"celeriac_worker", "bench"} | {"workers"}
    modules = {f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]}
    allowed = re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
    assert rooms | modules <= set(allowed)
    assert all((REPOSITORY / name).exists() for name in allowed)


def test_the_tag_of_the_image_is_the_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert {service["image"] for service in OURS.values()} == {f"celeriac:{project['project']['version']}"}


def test_the_image_does_not_run_as_root() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    last_stage = dockerfile.rsplit("\nFROM ", 1)[1]
    (user,) = re.findall(r"^USER (\d+):", last_stage, re.MULTILINE)
    assert int(user) > 0


def _check(file: Path) -> int:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
