"""What the documents name is there: files, links, settings, commands."""

import re
from pathlib import Path

import pytest

from cli.configuration import OF_THE_CLIENT, OF_THE_PLUGIN
from cli.main import COMMANDS
from settings import Settings
from tools.code_map import ROOMS

REPOSITORY = Path(__file__).parents[3]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), REPOSITORY / "workers" / "README.md"])
SETTINGS = {f"CELERIAC_{name.upper()}" for name in Settings.model_fields}

CODE = [path for path in REPOSITORY.rglob("*.py") if not {".venv", "site"} & {*path.relative_to(REPOSITORY).parts}]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    targets = [(anchor, page.parent / link if link else page) for link, anchor in links]
    assert [(anchor, target) for anchor, target in targets if anchor not in _anchors(target)] == []


def test_every_page_that_code_names_is_there() -> None:
    named = {name for path in CODE for name in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text())}
    assert "docs/rest-contract.md" in named
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


@each_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`([\w.]+/[\w./]+\.(?:py|md|toml|txt|yml))`", page.read_text())
    assert [name for name in named if not (REPOSITORY / name).exists() and "NNNN" not in name] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_that_code_names_is_there(room: str) -> None:
    """By its path, or by its name alone where it stands in the same folder."""
    named = [
        (path, name)
        for path in (REPOSITORY / room).rglob("*.py")
        for name in re.findall(r"`([\w./]+\.py)`", path.read_text())
    ]
    places = (REPOSITORY, REPOSITORY / "workers")
    lost = [(path, name) for path, name in named if not any((each / name).exists() for each in (*places, path.parent))]
    assert lost == []


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    assert set(re.findall(r"CELERIAC_[A-Z_]*[A-Z]", page.read_text())) <= SETTINGS | OF_THE_CLIENT | OF_THE_PLUGIN


@each_page
def test_every_command_that_is_shown_exists(page: Path) -> None:
    shown = re.findall(r"(?:^|[`/ ])celeriac ([a-z]+)(?=[ `,\n])", _code(page.read_text()), re.MULTILINE)
    assert set(shown) <= COMMANDS.keys() | {"ready"}


def _code(text: str) -> str:
    """Spans and blocks of code, a line each."""
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    spans = re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *spans])


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as both the site and a repository's pages make anchors of them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[ -]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-") for heading in headings}
