from datetime import timedelta

import pytest
from pydantic import ValidationError

from domain.retention import Retention
from settings import Settings


def test_failed_tasks_are_kept_longer_unless_told_otherwise() -> None:
    assert Settings().retention == Retention(finished=timedelta(days=30), failed=timedelta(days=90))


def test_ages_are_given_in_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_KEEP_DAYS", "7")
    monkeypatch.setenv("CELERIAC_KEEP_FAILED_DAYS", "0")
    assert Settings().retention == Retention(finished=timedelta(days=7), failed=timedelta(0))


def test_an_age_is_not_negative() -> None:
    with pytest.raises(ValidationError):
        Settings(keep_days=-1)
