from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from loops.workers import shared_names as module
from loops.workers.shared_names import MOST_NAMED, note_shared_names
from tests.fakes.engine import FakeEngine

stored: list[frozenset[str]] = []


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch) -> None:
    async def note_shared(_: Any, nodes: frozenset[str]) -> None:
        stored.append(nodes)

    stored.clear()
    monkeypatch.setattr(module, "shared_names", SimpleNamespace(note_shared=note_shared))


@pytest.mark.parametrize("replies", [{}, {"a": 1}, {"a": 1, "b": 0}])
async def test_while_each_name_answers_once_nothing_is_stored_and_no_connection_opened(replies: dict[str, int]) -> None:
    engine = FakeEngine()
    with capture_logs() as logs:
        assert await note_shared_names(engine.as_engine(), replies) == frozenset()
    assert (stored, engine.ends, logs) == ([], [], [])


async def test_names_that_answered_twice_are_stored_told_and_returned() -> None:
    engine = FakeEngine()
    with capture_logs() as logs:
        shared = await note_shared_names(engine.as_engine(), {"c": 3, "a": 2, "b": 1})
    assert shared == {"a", "c"}
    assert stored == [{"a", "c"}]
    assert engine.ends == ["committed"]
    assert logs == [{"event": "names_shared", "log_level": "warning", "nodes": ["a", "c"]}]


async def test_the_log_names_a_few_of_many_and_all_are_stored() -> None:
    names = {f"n{number:02}": 2 for number in range(MOST_NAMED + 1)}
    with capture_logs() as logs:
        await note_shared_names(FakeEngine().as_engine(), names)
    assert len(logs[0]["nodes"]) == MOST_NAMED
    assert stored == [names.keys()]
