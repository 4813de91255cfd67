"""`python -m tests.browser.night FOLDER` plays four incidents of a night on a real system, in a real Chromium.

For each it prints how long it took until the system said so, how many presses and seconds it takes from opening the
dashboard to the sentence that names the cause, and to the cure. Pictures of every step are kept in the folder.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.acceptance.stack import running
from tests.browser.chromium import PATIENCE_MS, chromium
from tests.browser.incidents import APP, INCIDENTS, SHOP, Broker, Night, Played
from tests.browser.walk import Walk

HEAD = (
    "incident",
    "said after, s",
    "the first sentence",
    "to the cause: presses, s",
    "to the cure: presses, s",
    "the way",
)
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Play them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default=",".join(INCIDENTS), help="incidents, with commas between")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=2 * PATIENCE_MS)
    with night() as shop, chromium() as browser:
        played = [play(browser, shop, name=name, folder=given.folder) for name in given.only.split(",")]
    print(table_of(played))


@contextmanager
def night() -> Iterator[Night]:
    """A whole system with a broker of its own, and the app of a shop beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / f"{SHOP}.py").write_text(APP)
        broker = Broker(folder / "broker")
        broker.start()
        try:
            with running(folder / "data", CELERIAC_BROKER_URL=broker.url) as stack:
                yield Night(stack, broker, folder)
        finally:
            broker.stop()


def play(browser: Browser, shop: Night, *, name: str, folder: Path) -> Played:
    """Play one incident in a profile of its own."""
    with browser.new_context(viewport=SIZE, reduced_motion="reduce") as context:  # type: ignore[arg-type]
        context.set_default_timeout(2 * PATIENCE_MS)
        page = context.new_page()
        walk = Walk(page, shop.stack.url, folder, name)
        try:
            return INCIDENTS[name](shop, walk)
        except AssertionError:
            page.screenshot(path=folder / f"{name}-stuck.png")
            raise


def table_of(played: Sequence[Played]) -> str:
    """Return what was played as a table in Markdown."""
    rows = [HEAD, ["---"] * len(HEAD)]
    rows += [
        [
            one.name,
            f"{one.told_seconds:g}",
            one.sentence,
            f"{one.cause.presses}, {one.cause.seconds:g}",
            f"{one.cure.presses}, {one.cure.seconds:g}",
            ", ".join(one.way),
        ]
        for one in played
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
