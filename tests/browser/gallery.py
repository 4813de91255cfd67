"""`python -m tests.browser.gallery FOLDER` makes a picture of every page of the dashboard, for people to look at.

Both themes, four widths, and a sheet of all of them. Without `--url`, a stack is started and filled for it. With it,
that one is looked at, and the dashboard is the one that was built last, so that no process need be started again.
`--serve` starts such a stack and keeps it.
"""

import argparse
import math
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Route

from api.dashboard_pages import DASHBOARD_CONTENT_POLICY, load_assets, page_at
from tests.acceptance.stack import running
from tests.browser.chromium import chromium
from tests.browser.pages import addresses, open_page, watched
from tests.browser.scenes import EXPECTED, SCENES
from tests.browser.shop import open_shop, shop_of

WIDTHS = {320: 640, 768: 1024, 1280: 800, 1920: 1080}
"""The height beside each width."""
THEMES = ("light", "dark")
ACROSS = 6


def main() -> None:
    """Make the pictures, and say where they are and what went wrong on the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="of a running Celeriac, without /ui")
    parser.add_argument("--serve", action="store_true", help="start a stack, print its URL, and keep it until Ctrl-C")
    parser.add_argument("--only", default="", help="names of pages, with commas between")
    parser.add_argument("--widths", type=some_of(map(str, WIDTHS)), default=",".join(map(str, WIDTHS)))
    parser.add_argument("--themes", type=some_of(THEMES), default=",".join(THEMES))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.serve:
        with stack_of_a_shop() as url:
            print(url, flush=True)
            signal.pause()
    with nullcontext(given.url) if given.url else stack_of_a_shop() as url, chromium() as browser:
        pages = addresses(shop_of(url))
        wanted = [name for name in given.only.split(",") if name] or [*pages, *SCENES]
        for theme in given.themes:
            for width in map(int, given.widths):
                shown = {name: pages[name] for name in wanted if name in pages}
                take(browser, url, pages=shown, folder=given.folder, look=(theme, width))
                for name in wanted:
                    if name in SCENES:
                        take_scene(browser, url, name=name, folder=given.folder, look=(theme, width))
            make_sheet(browser, given.folder, theme=theme)


def some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """What reads words with commas between, each of which is known."""
    choices = list(known)

    def read(text: str) -> list[str]:
        words = text.split(",")
        if unknown := set(words) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(choices)}")
        return words

    return read


@contextmanager
def stack_of_a_shop() -> Iterator[str]:
    """The URL of a running stack with something of everything."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", CELERIAC_ADOPT_QUEUES="false") as stack,
    ):
        open_shop(stack, size=6)
        yield stack.url


def take(browser: Browser, url: str, *, pages: dict[str, str], folder: Path, look: tuple[str, int]) -> None:
    """Make the pictures of these pages in one theme and width."""
    theme, width = look
    size = {"width": width, "height": WIDTHS[width]}
    with watched(browser, url, color_scheme=theme, viewport=size, reduced_motion="reduce") as (page, watch):
        page.route(f"{url}/ui/**", answer_from_tree)
        for name, address in pages.items():
            open_page(page, f"{url}/ui{address}")
            # Until the first pulse has been heard: a page without figures is no page.
            page.wait_for_timeout(1_200)
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                watch.problems.append(f"{overflow} px wider than the window")
            for problem in watch.problems:
                print(f"{name} {theme} {width}: {problem}")
            watch.problems.clear()


def take_scene(browser: Browser, url: str, *, name: str, folder: Path, look: tuple[str, int]) -> None:
    """Make the picture of one scene in one theme and width."""
    theme, width = look
    size = {"width": width, "height": WIDTHS[width]}
    with watched(browser, url, color_scheme=theme, viewport=size, reduced_motion="reduce") as (page, watch):
        page.route(f"{url}/ui/**", answer_from_tree)
        SCENES[name](page, url)
        page.wait_for_timeout(1_200)
        page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
        for problem in watch.problems:
            if not any(said in problem for said in EXPECTED):
                print(f"{name} {theme} {width}: {problem}")


def answer_from_tree(route: Route) -> None:
    """What the API of this tree would answer, whichever is running."""
    path = urlsplit(route.request.url).path.partition("/ui/")[2]
    asset = load_assets().get(path) or page_at(path.count("/"))
    headers = {"Content-Type": asset.media_type, "Content-Security-Policy": DASHBOARD_CONTENT_POLICY}
    route.fulfill(status=200, body=asset.body, headers=headers)


def make_sheet(browser: Browser, folder: Path, *, theme: str) -> None:
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
