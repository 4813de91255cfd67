import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.health import scrapes
from api.health.scrapes import KEPT_SECONDS, Scrapes
from domain.health import Condition
from tests.patience import until


class Making:
    """The parts of which a text is made; `made` counts the texts."""

    def __init__(self) -> None:
        self.made = 0
        self.asked = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def read(self) -> None:
        self.asked += 1
        await self.may_end.wait()
        if self.fails:
            raise OSError("gone")

    def render(self, **_: Any) -> bytes:
        self.made += 1
        return f"text {self.made}".encode()


@pytest.fixture
def making() -> Making:
    return Making()


def scrapes_of(making: Making, *, kept_seconds: float = KEPT_SECONDS) -> Scrapes:
    probe = SimpleNamespace(
        report=lambda: SimpleNamespace(checks={"database": Condition.HEALTHY}),
        breakers=SimpleNamespace(open_ones=frozenset),
    )
    engine = SimpleNamespace()
    made = cast(Any, making)
    return Scrapes(made, made, probe=cast(Any, probe), engine=cast(Any, engine), kept_seconds=kept_seconds)


@pytest.fixture
def page(making: Making) -> Scrapes:
    return scrapes_of(making)


@pytest.fixture(autouse=True)
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "pool_use", lambda _: None)


async def test_a_flood_makes_one_text(page: Scrapes, making: Making) -> None:
    making.may_end.clear()
    asking = [asyncio.create_task(page.read()) for _ in range(500)]
    await until(lambda: making.asked)
    making.may_end.set()
    assert set(await asyncio.gather(*asking)) == {b"text 1"}
    assert {await page.read() for _ in range(500)} == {b"text 1"}
    assert making.made == making.asked == 1


async def test_after_a_second_it_is_made_anew(making: Making) -> None:
    page = scrapes_of(making, kept_seconds=0.0)
    assert await page.read() == b"text 1"
    assert await page.read() == b"text 2"


async def test_who_goes_away_leaves_the_text_to_the_others(page: Scrapes, making: Making) -> None:
    making.may_end.clear()
    first, second = asyncio.create_task(page.read()), asyncio.create_task(page.read())
    await until(lambda: making.asked)
    first.cancel()
    await asyncio.wait({first})
    making.may_end.set()
    assert await second == b"text 1"


async def test_one_that_could_not_be_made_is_not_kept(page: Scrapes, making: Making) -> None:
    making.fails = True
    with pytest.raises(OSError, match="gone"):
        await page.read()
    making.fails = False
    assert await page.read() == b"text 1"


async def test_closing_ends_one_that_hangs(page: Scrapes, making: Making) -> None:
    making.may_end.clear()
    asking = asyncio.create_task(page.read())
    await until(lambda: making.asked)
    async with asyncio.timeout(10):
        await page.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
