"""Refusals in the audit: bounded, and never in the way of the refusal itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from api import authorship as module
from api.authorship import Refusals
from api.declarations import Declared
from api.middleware.client_address import ClientAddress
from api.middleware.failed_keys import MOST_FAILURES
from api.middleware.scopes import PRINCIPAL
from domain.audit import Action, Author, Change, Outcome
from domain.principals import Principal, PrincipalKind

CANCEL = Declared(action=Action.TASK_CANCEL)


def scope_of(key_id: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "app": SimpleNamespace(state=SimpleNamespace(client_address=ClientAddress(()))),
        "client": ("10.0.0.1", 4711),
        "headers": list(headers),
        "path_params": {"task_id": "t-1"},
        "request_id": "r-1",
        PRINCIPAL: Principal(PrincipalKind.API_KEY, key_id, "etl", frozenset()),
    }


@asynccontextmanager
async def nowhere() -> AsyncIterator[AsyncConnection]:
    yield AsyncConnection.__new__(AsyncConnection)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Author, Change]]:
    recorded: list[tuple[Author, Change]] = []

    async def record_change(_: AsyncConnection, change: Change, *, author: Author) -> None:
        recorded.append((author, change))

    monkeypatch.setattr(module, "record_change", record_change)
    return recorded


async def test_a_refusal_says_who_wanted_what(recorded: list[tuple[Author, Change]]) -> None:
    await Refusals(nowhere).record(scope_of("k7", (b"x-celeriac-reason", b"curious")), CANCEL)
    author = Author("api_key", "k7", "etl", "r-1", "10.0.0.1", "curious")
    assert recorded == [(author, Change(Action.TASK_CANCEL, "t-1", outcome=Outcome.REFUSED))]


async def test_what_is_no_reason_is_left_out_of_a_refusal(recorded: list[tuple[Author, Change]]) -> None:
    await Refusals(nowhere).record(scope_of("k7", (b"x-celeriac-reason", b"\x1b[2J")), CANCEL)
    assert recorded[0][0].reason is None


async def test_each_principal_has_so_many_a_minute(recorded: list[tuple[Author, Change]]) -> None:
    refusals = Refusals(nowhere)
    for _ in range(MOST_FAILURES + 5):
        await refusals.record(scope_of("one"), CANCEL)
    assert len(recorded) == MOST_FAILURES
    await refusals.record(scope_of("other"), CANCEL)
    assert len(recorded) == MOST_FAILURES + 1


async def test_what_leaves_no_row_when_done_leaves_none_when_refused(recorded: list[tuple[Author, Change]]) -> None:
    await Refusals(nowhere).record(scope_of("k7"), Declared())
    assert recorded == []


async def test_without_a_database_the_refusal_stays_what_it_is() -> None:
    @asynccontextmanager
    async def gone() -> AsyncIterator[AsyncConnection]:
        raise OperationalError("connect", None, ConnectionRefusedError())
        yield

    with capture_logs() as logs:
        await Refusals(gone).record(scope_of("k7"), CANCEL)
    assert [(line["event"], line["action"]) for line in logs] == [("refusal_not_audited", "task.cancel")]
