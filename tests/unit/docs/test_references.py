"""What the documents name is there: files, links, settings, commands."""

import re
from pathlib import Path

import pytest

from cli.configuration import OF_THE_CLIENT
from cli.main import COMMANDS
from settings import Settings

REPOSITORY = Path(__file__).parents[3]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), REPOSITORY / "workers" / "README.md"])
SETTINGS = {f"CELERIAC_{name.upper()}" for name in Settings.model_fields}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`([\w.]+/[\w./]+\.(?:py|md|toml|txt|yml))`", page.read_text())
    assert [name for name in named if not (REPOSITORY / name).exists() and "NNNN" not in name] == []


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    assert set(re.findall(r"CELERIAC_[A-Z_]*[A-Z]", page.read_text())) <= SETTINGS | OF_THE_CLIENT


@each_page
def test_every_command_that_is_shown_exists(page: Path) -> None:
    shown = re.findall(r"(?:^|[`/ ])celeriac ([a-z]+)(?=[ `,\n])", _code(page.read_text()), re.MULTILINE)
    assert set(shown) <= COMMANDS.keys() | {"ready"}


def _code(text: str) -> str:
    """Spans and blocks of code, a line each."""
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    spans = re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *spans])
