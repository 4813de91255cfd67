from collections.abc import Iterator

import pytest

from domain.errors import BrokerUnavailable, CeleriacError, InvalidRequest, TaskNotFound, Unavailable, WorkerExists


def every_error(error: type[CeleriacError] = CeleriacError) -> Iterator[type[CeleriacError]]:
    """The tree; other rooms, and their tests, may have heirs of their own."""
    yield error
    for heir in error.__subclasses__():
        if heir.__module__ == CeleriacError.__module__:
            yield from every_error(heir)


def test_codes_tell_the_errors_apart() -> None:
    codes = [error.code for error in every_error() if not error.__subclasses__()]
    assert len(codes) == len(set(codes))


def test_the_docstring_is_the_default_sentence() -> None:
    assert TaskNotFound().detail == str(TaskNotFound()) == "Task not found"


def test_a_given_sentence_takes_its_place() -> None:
    assert str(BrokerUnavailable("not now")) == "not now"


def test_an_invalid_request_names_its_fields() -> None:
    assert InvalidRequest("bad", errors=(("args", "is not a list"),)).errors == (("args", "is not a list"),)


@pytest.mark.parametrize("error", [*every_error(Unavailable)])
def test_whatever_is_unavailable_says_when_to_come_back(error: type[Unavailable]) -> None:
    assert error().retry_after_seconds > 0


def test_a_worker_that_is_there_already_is_named_by_its_id() -> None:
    known = WorkerExists(worker_id="w-1")
    assert (known.worker_id, known.detail) == ("w-1", "This worker is registered already.")
    assert WorkerExists("by another").worker_id is None
