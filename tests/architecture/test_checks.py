"""What is checked before a commit, by `make check` and on the hosted machine is the same."""

import tomllib
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.architecture.test_house_rules import ROOT


def steps_of_check() -> list[str]:
    """The commands of `make check`."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("check:")) + 1
    end = lines.index("", begin)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in lines[begin:end]]


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_hooks_run_the_steps_of_make_check() -> None:
    (repository,) = loaded(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert sorted(hook["entry"] for hook in repository["hooks"]) == sorted(steps_of_check())


def test_the_hosted_machine_runs_what_a_person_runs() -> None:
    jobs = loaded(".github/workflows/ci.yml")["jobs"]
    ran = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    assert all(f"make {target}" in ran for target in ("check", "test", "up"))


def test_the_hosted_machine_tries_every_python_that_is_supported() -> None:
    tried = loaded(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert supported == f">={tried[0]},<3.{int(tried[-1].split('.')[1]) + 1}"
