"""Which changes of rules are stored, and what is said of those that are not; the rules lie in a list."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts.rules import DEFAULT_RULES, AlertType, Rule
from domain.audit import Author, Change
from domain.errors import InvalidRequest
from services import alerts as module
from services.alerts import RuleChange, change_rules, read_rules
from store.queries.alerts import RuleInForce
from tests.authors import AUTHOR
from tests.facts import NOON, after

CONNECTION = cast(AsyncConnection, None)
DEPTH, RATE = AlertType.HIGH_QUEUE_DEPTH, AlertType.HIGH_FAILURE_RATE


class Store:
    """Rules that somebody has changed."""

    def __init__(self) -> None:
        self.changed: list[RuleInForce] = []
        self.saved: list[Rule] | None = None
        self.is_locked = False
        self.audited: list[Change] = []

    async def lock_rules(self, _: Any) -> None:
        self.is_locked = True

    async def list_changed_rules(self, _: Any) -> list[RuleInForce]:
        return self.changed

    async def save_rules(self, _: Any, rules: Sequence[Rule]) -> None:
        assert self.is_locked
        self.saved = list(rules)

    async def record_change(self, _: Any, change: Change, *, author: Author) -> None:
        assert author is AUTHOR
        self.audited.append(change)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(module, "alerts", store)
    monkeypatch.setattr(module, "record_change", store.record_change)
    return store


async def refused(*changes: RuleChange, name: str = "rules") -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        await change_rules(CONNECTION, changes, name=name, author=AUTHOR)
    return raised.value


async def test_a_rule_is_as_somebody_changed_it_or_the_default(store: Store) -> None:
    changed = RuleInForce(replace(DEFAULT_RULES[DEPTH], threshold=5), NOON)
    store.changed = [changed]
    rules = await read_rules(CONNECTION)
    assert list(rules) == list(DEFAULT_RULES)
    assert rules[DEPTH] is changed
    assert rules[RATE] == RuleInForce(DEFAULT_RULES[RATE], None)


async def test_what_is_changed_is_stored_and_nothing_else(store: Store) -> None:
    await change_rules(CONNECTION, [RuleChange(DEPTH, {"threshold": 5.0}), RuleChange(RATE, {})], author=AUTHOR)
    assert store.saved == [replace(DEFAULT_RULES[DEPTH], threshold=5.0)]
    (change,) = store.audited
    was = DEFAULT_RULES[DEPTH].threshold
    assert change.differences() == ({f"{DEPTH}.threshold": was}, {f"{DEPTH}.threshold": 5.0})


@pytest.mark.parametrize("changes", [[], [RuleChange(DEPTH, {})], [RuleChange(DEPTH, {"threshold": 1_000.0})]])
async def test_a_default_that_is_said_again_stays_a_default(store: Store, changes: list[RuleChange]) -> None:
    await change_rules(CONNECTION, changes, author=AUTHOR)
    assert store.saved is None


async def test_one_change_that_makes_no_sense_leaves_all_as_they_were(store: Store) -> None:
    error = await refused(RuleChange(DEPTH, {"threshold": 5.0}), RuleChange(RATE, {"threshold": 101.0}))
    assert error.errors == (("rules.1.threshold", "of HIGH_FAILURE_RATE lies between 0 and 100 percent"),)
    assert error.detail == "rules.1.threshold: of HIGH_FAILURE_RATE lies between 0 and 100 percent"
    assert store.saved is None


async def test_a_field_that_a_type_does_not_have_is_named(store: Store) -> None:
    error = await refused(RuleChange(DEPTH, {"window_seconds": 60, "minimum_tasks": 1}), name="data")
    assert error.errors == (
        ("data.0.window_seconds", "means nothing for HIGH_QUEUE_DEPTH"),
        ("data.0.minimum_tasks", "means nothing for HIGH_QUEUE_DEPTH"),
    )


async def test_a_type_that_is_named_twice_is_refused_where_it_is_named_again(store: Store) -> None:
    error = await refused(RuleChange(DEPTH, {"threshold": 5.0}), RuleChange(DEPTH, {"threshold": 6.0}))
    assert error.errors == (("rules.1.type", "is named twice"),)


async def test_who_read_a_rule_before_somebody_changed_it_is_told_so(store: Store) -> None:
    store.changed = [RuleInForce(replace(DEFAULT_RULES[DEPTH], threshold=5), after(60))]
    error = await refused(RuleChange(DEPTH, {"threshold": 7.0}, {"updated_at": NOON}))
    assert error.errors == (("rules.0.updated_at", f"cannot be set, and differs from what is stored: {after(60)}"),)
    await change_rules(CONNECTION, [RuleChange(DEPTH, {"threshold": 7.0}, {"updated_at": after(60)})], author=AUTHOR)
    assert store.saved == [replace(DEFAULT_RULES[DEPTH], threshold=7.0)]


async def test_what_cannot_be_set_may_be_repeated_and_not_changed(store: Store) -> None:
    error = await refused(RuleChange(DEPTH, {}, {"unit": "percent"}))
    assert error.errors == (("rules.0.unit", "cannot be set, and differs from what is stored: tasks"),)
    await change_rules(CONNECTION, [RuleChange(DEPTH, {}, {"unit": "tasks", "updated_at": None})], author=AUTHOR)
