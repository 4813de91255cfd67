"""Tasks on files of the worker's own folder. What lies outside of it is none of a caller's business."""

import hashlib
from pathlib import Path

from tasks.app import app

FOLDER = Path.cwd().resolve()
"""Where the worker was started."""


@app.task(name="celeriac.hash_file")
def hash_file(path: str) -> str:
    """SHA-256 of a file, in hex. Raises PermissionError for one outside the worker's folder, links followed."""
    with _inside(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(path: str) -> Path:
    """The real path of a regular file; a pipe or a device would block the worker or never end."""
    file = (FOLDER / path).resolve()
    if not file.is_relative_to(FOLDER):
        raise PermissionError(f"{path} is outside the folder of the worker.")
    if not file.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not file.is_file():
        raise ValueError(f"{path} is not a file.")
    return file
