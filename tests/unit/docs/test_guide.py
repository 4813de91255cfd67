"""docs/guide/your-celery-app.md promises what `domain/promises.py` says, and no more."""

from pathlib import Path

from cli.beside.advice import INSTALL, PLUGIN_MODULE
from domain.promises import PROMISES, WorkerKind

PAGE = (Path(__file__).parents[3] / "docs" / "guide" / "your-celery-app.md").read_text()


def test_the_table_is_that_of_the_code() -> None:
    head = "| | " + " | ".join(WorkerKind) + " |\n" + "|---" * (len(WorkerKind) + 1) + "|\n"
    rows = [
        f"| **{promise.word}**: {promise.sentence} | "
        + " | ".join(f"{holds}: {words}" for holds, words in (promise.says[kind] for kind in WorkerKind))
        + " |\n"
        for promise in PROMISES
    ]
    assert head + "".join(rows) + "\n" in PAGE


def test_the_picture_has_the_columns_and_the_lines_of_the_program() -> None:
    assert "  queue         " + "".join(f"{promise.word:<8}" for promise in PROMISES[:4]) in PAGE
    assert INSTALL in PAGE
    assert f"celery -A proj worker -E -I {PLUGIN_MODULE}" in PAGE
