"""The pages of docs/ make a site, without any network, in which every link leads somewhere."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

REPOSITORY = Path(__file__).parents[3]
PAGES = {str(path.relative_to(REPOSITORY / "docs")) for path in (REPOSITORY / "docs").rglob("*.md")}
NOWHERE = "http://127.0.0.1:9"
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


def test_every_page_has_one_place_in_the_order_of_reading() -> None:
    placed = _leaves(yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"])
    assert sorted(placed) == sorted(PAGES)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", folder)
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    built = subprocess.run(
        command, cwd=folder, env=os.environ | offline, capture_output=True, text=True, timeout=100, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_every_page_is_built(site: Path) -> None:
    built = {str(path.relative_to(site).with_suffix(".md")) for path in site.rglob("*.html")}
    assert built >= PAGES


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {link for path in site.rglob("*.html") for link in _loads(path.read_text())}
    assert loaded
    assert {link for link in loaded if re.match(r"(https?:)?//", link)} == set()


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get(LOADED.get(tag, ""))
        if link and dict(attrs).get("rel") != "canonical":
            self.found.append(link)


def _loads(page: str) -> list[str]:
    parser = _Loads()
    parser.feed(page)
    return parser.found


def _leaves(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return [page for item in items for page in _leaves(item)]
