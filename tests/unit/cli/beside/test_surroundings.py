"""What stands in the environment for an app reaches the app and not our own processes."""

import os
import site
from pathlib import Path

import pytest

from cli.beside import surroundings
from cli.beside.app import OWN_ROOT
from cli.beside.surroundings import leave_app_variables


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy, which is thrown away."""
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "CELERIAC_PORT": "1"})


@pytest.mark.parametrize("name", ["DJANGO_SETTINGS_MODULE", "PYTHONPATH", "CELERY_BROKER_URL", "CELERY_"])
def test_a_variable_of_the_app_is_left_out_and_is_in_what_was_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(surroundings, "_is_installed", lambda: True)
    os.environ[name] = "shop"
    before = dict(os.environ)
    assert leave_app_variables() == before
    assert before.keys() - os.environ.keys() == {name}


def test_a_clone_is_named_to_our_children_in_place_of_the_apps_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "getsitepackages", lambda: ["/usr/lib/python3/dist-packages"])
    os.environ["PYTHONPATH"] = "/srv/shop"
    assert leave_app_variables()["PYTHONPATH"] == "/srv/shop"
    assert os.environ["PYTHONPATH"] == f"{OWN_ROOT}:{OWN_ROOT / 'workers'}"


def test_what_is_installed_needs_no_naming(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(OWN_ROOT)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path / "link")])
    leave_app_variables()
    assert "PYTHONPATH" not in os.environ
