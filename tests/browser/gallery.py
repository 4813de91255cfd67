"""`python -m tests.browser.gallery FOLDER` makes a picture of every page of the dashboard, for people to look at.

Both themes, four widths, and a sheet of all of them. The stack is a new one, or the one at `--url` with what is there.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.acceptance.stack import Stack, running
from tests.browser.chromium import chromium
from tests.browser.pages import addresses, open_page, watched
from tests.browser.shop import open_shop

WIDTHS = {320: 640, 768: 1024, 1280: 800, 1920: 1080}
"""The height beside each width."""
THEMES = ("light", "dark")
ACROSS = 6


def main() -> None:
    """Make the pictures, and say where they are and what went wrong on the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="names of pages, with commas between")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)))
    parser.add_argument("--themes", default=",".join(THEMES))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    widths = [int(width) for width in given.widths.split(",")]
    with stack_of_a_shop() as (stack, pages), chromium() as browser:
        wanted = [name for name in given.only.split(",") if name] or list(pages)
        for theme in given.themes.split(","):
            for width in widths:
                take(
                    browser, stack.url, {name: pages[name] for name in wanted}, folder=given.folder, look=(theme, width)
                )
            make_sheet(browser, given.folder, theme)


@contextmanager
def stack_of_a_shop() -> Iterator[tuple[Stack, dict[str, str]]]:
    """A running stack with something of everything, and the addresses of all pages."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack:
        yield stack, addresses(open_shop(stack, size=6))


def take(browser: Browser, url: str, pages: dict[str, str], *, folder: Path, look: tuple[str, int]) -> None:
    """Make the pictures of these pages in one theme and width."""
    theme, width = look
    size = {"width": width, "height": WIDTHS[width]}
    with watched(browser, url, color_scheme=theme, viewport=size, reduced_motion="reduce") as (page, watch):
        for name, address in pages.items():
            open_page(page, f"{url}/ui{address}")
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=False)
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                watch.problems.append(f"{overflow} px wider than the window")
            for problem in watch.problems:
                print(f"{name} {theme} {width}: {problem}")
            watch.problems.clear()


def make_sheet(browser: Browser, folder: Path, theme: str) -> None:
    """Put the pictures of one theme on one sheet."""
    pictures = sorted(folder.glob(f"*-{theme}-1280.png"))
    if not pictures:
        return
    cells = "".join(
        f"<figure><img src='{path.name}'><figcaption>{path.stem}</figcaption></figure>" for path in pictures
    )
    style = (
        "body{margin:8px;background:#888;font:11px sans-serif;display:grid;gap:8px;"
        f"grid-template-columns:repeat({ACROSS},1fr)}}figure{{margin:0}}img{{width:100%;display:block}}"
    )
    sheet = folder / f"sheet-{theme}.html"
    sheet.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{cells}")
    rows = math.ceil(len(pictures) / ACROSS)
    with browser.new_context(viewport={"width": 1920, "height": rows * 230}) as context:
        page = context.new_page()
        page.goto(sheet.as_uri())
        page.screenshot(path=folder / f"sheet-{theme}.png", full_page=True)


if __name__ == "__main__":
    main()
