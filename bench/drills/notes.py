"""What tasks of a drill write down themselves, past all that Celeriac records: a line for each thing that happened."""

import os
from pathlib import Path

NOTES_VARIABLE = "DRILL_NOTES"
"""The variable that names the file."""


def note(*words: object) -> None:
    """Write one line in one go: lines of several processes do not mix."""
    with Path(os.environ[NOTES_VARIABLE]).open("a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")
