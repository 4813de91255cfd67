"""Virtual environments with other releases of Celery or with Django, and the plugin in them as a wheel, built here.

uv makes them: what its cache holds takes less than a second each. Their pins are `requirements/fleets/*.txt`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import uv

from tests.worker_process import ROOT

PINS = ROOT / "requirements" / "fleets"
INSTALL_SECONDS = 100
PYTHONS = {"celery-4.4": (">=3.8,<3.11",), "celery-5.7": (">=3.10,<3.14",), "django": (">=3.10,<3.14",)}
"""What each runs on, the best first. Celery 4.4 needs parts of `inspect` that are gone since 3.11."""
USUAL_PYTHONS = ("3.9", ">=3.10,<3.14")
"""The oldest that the plugin promises, where this machine has it."""


class NoPythonError(Exception):
    """None that these releases run on is installed here; none is fetched."""


def build_plugin(folder: Path) -> Path:
    """The wheel of `celeriac-worker`. Built from a copy: setuptools leaves its work beside the source."""
    source = folder / "source"
    shutil.copytree(ROOT / "workers", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    _run([*command, str(source)])
    (wheel,) = folder.glob("celeriac_worker-*.whl")
    return wheel


def make_environment(folder: Path, pins: str, *, wheel: Path | None = None) -> str:
    """The Python of a new environment in this folder with these pins, e.g. "celery-5.3", and the plugin if given."""
    uv_binary = uv.find_uv_bin()
    _make_venv(uv_binary, folder, versions=PYTHONS.get(pins, USUAL_PYTHONS))
    python = str(folder / "bin" / "python")
    install = [uv_binary, "pip", "install", "--quiet", "--no-deps", "--python", python]
    _run([*install, "--require-hashes", "-r", str(PINS / f"{pins}.txt")])
    if wheel is not None:
        _run([*install, "--offline", str(wheel)])
    return python


def _make_venv(uv_binary: str, folder: Path, *, versions: tuple[str, ...]) -> None:
    for version in versions:
        try:
            _run([uv_binary, "venv", "--quiet", "--no-python-downloads", "--python", version, str(folder)])
        except RuntimeError as error:
            reason = error
        else:
            return
    raise NoPythonError(str(reason))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")


def _environment() -> dict[str, str]:
    """With the Pythons that pyenv keeps: its own commands on the path refuse all but the chosen one."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [str(found) for found in sorted(kept.glob("*/bin"))]
    return os.environ | {"PATH": os.pathsep.join([*folders, os.environ.get("PATH", "")])}
