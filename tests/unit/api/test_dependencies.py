"""How many searches and exports hold a connection, and that each gives it back; with Postgres this is in the
integration tests.
"""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from api import dependencies as module
from api.dependencies import (
    MAX_EXPORTS,
    SEARCH_SECONDS,
    ProcessResources,
    _export_connection,
    _search_connection,
    cancels_of,
    get_resources,
    reading,
)
from domain.errors import Overloaded
from tests.fakes.engine import FakeEngine


class Engine(FakeEngine):
    """An engine whose connections remember the options that they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[dict[str, Any]] = []

    async def execution_options(self, **options: Any) -> Self:
        self.options.append(options)
        return self


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def resources(engine: Engine) -> ProcessResources:
    return cast(
        ProcessResources,
        SimpleNamespace(engine=engine, searches=asyncio.Semaphore(1), exports=asyncio.Semaphore(MAX_EXPORTS)),
    )


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The limits that statements were given."""
    found: list[float] = []

    async def limit_statements(_: AsyncConnection, *, seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(module, "limit_statements", limit_statements)
    return found


async def opened(dependency: AsyncIterator[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    """The dependency, begun as FastAPI begins it; `aclose` ends it."""
    await anext(dependency)
    return dependency


async def closed(dependency: AsyncIterator[AsyncConnection]) -> None:
    assert await anext(dependency, None) is None


async def test_a_request_is_given_the_resources_of_its_process() -> None:
    app = SimpleNamespace(state=SimpleNamespace(resources="resources"))
    assert await get_resources(Request({"type": "http", "app": app})) == "resources"  # type: ignore[comparison-overlap]


async def test_a_reading_connection_cannot_write_and_sees_one_snapshot(
    engine: Engine, resources: ProcessResources
) -> None:
    async with reading(resources):
        assert engine.open == 1
    assert engine.options == [{"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}]
    assert engine.open == 0


async def test_a_search_has_a_time_limit_and_gives_its_turn_back(
    engine: Engine, resources: ProcessResources, limits: list[float]
) -> None:
    search = await opened(_search_connection(resources))
    assert (engine.open, resources.searches.locked(), limits) == (1, True, [SEARCH_SECONDS])
    await closed(search)
    assert (engine.open, resources.searches.locked()) == (0, False)


async def test_a_search_that_finds_no_turn_is_told_to_come_again_and_takes_no_connection(
    engine: Engine, resources: ProcessResources, limits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEARCH_WAIT_SECONDS", 0.01)
    first = await opened(_search_connection(resources))
    with pytest.raises(Overloaded, match=r"^Too many searches are running; try again\.$"):
        await opened(_search_connection(resources))
    assert engine.open == 1
    await closed(first)
    await closed(await opened(_search_connection(resources)))


async def test_a_search_that_cannot_connect_gives_its_turn_back(
    resources: ProcessResources, limits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(module, "limit_statements", refuse)
    with pytest.raises(ConnectionError):
        await opened(_search_connection(resources))
    assert not resources.searches.locked()


async def test_three_exports_run_and_the_fourth_is_told_so_at_once(engine: Engine, resources: ProcessResources) -> None:
    exports = [await opened(_export_connection(resources)) for _ in range(MAX_EXPORTS)]
    with pytest.raises(Overloaded, match=r"^3 exports are running; try again when one has ended\.$"):
        await opened(_export_connection(resources))
    await closed(exports.pop())
    exports.append(await opened(_export_connection(resources)))
    for export in exports:
        await closed(export)
    assert engine.open == 0


async def test_the_cancels_of_a_request_are_made_of_its_process(engine: Engine) -> None:
    parts = {"redis": object(), "control": object(), "mover": object()}
    cancels = cancels_of(cast(ProcessResources, SimpleNamespace(engine=engine, **parts)))
    assert set(parts.values()) <= {getattr(cancels, name) for name in vars(cancels)}
