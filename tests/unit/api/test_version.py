import tomllib
from pathlib import Path

from api.version import RELEASE

REPOSITORY = Path(__file__).parents[3]


def test_what_the_system_says_that_it_is_is_what_is_packaged_and_what_the_readme_says() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == RELEASE
    assert f"version {RELEASE.rsplit('.', 1)[0]}" in (REPOSITORY / "README.md").read_text()
