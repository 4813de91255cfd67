"""When a process of ours looks for garbage: not while it loads, and never through what it has loaded."""

import gc
from collections.abc import Iterator

import pytest

from cli.garbage import SELDOM, look_for_garbage_seldom, nothing_goes


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """What a process does to itself is undone."""
    thresholds = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*thresholds)


def test_nothing_is_looked_through_while_modules_are_loaded_nor_they_afterwards() -> None:
    with nothing_goes():
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_what_fails_to_load_leaves_it_as_it_was() -> None:
    with pytest.raises(ImportError), nothing_goes():
        raise ImportError
    assert gc.isenabled()


def test_what_was_there_at_the_start_is_never_looked_through_again() -> None:
    look_for_garbage_seldom()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == SELDOM
