"""Tasks on files of the worker's own folder. What lies outside of it is none of a caller's business."""

import hashlib
import os
from pathlib import Path

from tasks.app import app

FOLDER = Path.cwd().resolve()
"""The folder where the worker was started."""
DATA = Path(os.environ.get("CELERIAC_DATA") or ".celeriac").resolve()
"""The data folder of `celeriac up`: passwords, and the URLs that hold them."""


@app.task(name="celeriac.hash_file")
def hash_file(path: str) -> str:
    """SHA-256 of a file, in hex. Raises PermissionError for one outside the worker's folder, links followed.

    And for what is hidden there: the data folder, and files or folders whose names begin with a dot (`.env`, `.git`,
    `.ssh`), by any way that leads to them. A hash is enough to find out a short secret.
    """
    with _inside(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(path: str) -> Path:
    """The real path of a regular file; a pipe or a device would block the worker or never end."""
    file = (FOLDER / path).resolve()
    if not file.is_relative_to(FOLDER):
        raise PermissionError(f"{path} is outside the folder of the worker.")
    if _is_hidden(file):
        raise PermissionError(f"{path} is hidden.")
    if not file.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not file.is_file():
        raise ValueError(f"{path} is not a file.")
    return file


def _is_hidden(file: Path) -> bool:
    """The data folder is told by what it is and not by its name, which some file systems spell in many ways."""
    if any(part.startswith(".") for part in file.relative_to(FOLDER).parts):
        return True
    return DATA.exists() and any(step.exists() and step.samefile(DATA) for step in (file, *file.parents))
