"""What becomes of a mark while nobody takes its row."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from domain.audit import Action, Author, Change
from services import audit as module
from services.audit import record_intent
from services.transactions import Transact

CHANGE = Change(Action.SERVICE_MARK, "database")
AUTHOR = Author("api_key", "k7", "etl", reason="INC-17")


@asynccontextmanager
async def gone() -> AsyncIterator[AsyncConnection]:
    raise OperationalError("connect", None, ConnectionRefusedError())
    yield


@asynccontextmanager
async def frozen() -> AsyncIterator[AsyncConnection]:
    await asyncio.Event().wait()
    raise AssertionError
    yield


@pytest.mark.parametrize(("transact", "error"), [(gone, "OperationalError"), (frozen, "TimeoutError")])
async def test_a_service_is_marked_though_postgres_is_away_and_the_log_says_by_whom(
    monkeypatch: pytest.MonkeyPatch, transact: Transact, error: str
) -> None:
    monkeypatch.setattr(module, "INTENT_SECONDS", 0.01)
    with capture_logs() as logs:
        await record_intent(transact, CHANGE, author=AUTHOR)
    (line,) = logs
    told = {name: line[name] for name in ("event", "action", "subject", "actor", "reason", "error")}
    assert told == {
        "event": "change_not_audited",
        "action": "service.mark",
        "subject": "database",
        "actor": "api_key:k7",
        "reason": "INC-17",
        "error": error,
    }
