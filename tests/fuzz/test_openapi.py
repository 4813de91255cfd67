"""Schemathesis' negative modes on every operation: unsound data, missing and other headers, methods, media types.

Those that schemathesis derives from the schemas, one for each way to be wrong. What hypothesis draws from them, sound
and unsound, is sent by `tests/contract/test_openapi.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from bench.fuzzing.answers import LONGEST_ERROR
from bench.fuzzing.operations import NOWHERE
from domain.degradation import COMPONENTS
from tests.acceptance.stack import Stack
from tests.contract.test_openapi import (
    SHOWN,
    Operation,
    clear_marks,
    has_no_server_error,
    operations_of,
    with_known_tasks,
)
from tests.fuzz.bounds import ANSWER_SECONDS, bounded

LEAST_CASES = 1_500
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.missing_required_header,
    checks.negative_data_rejection,
]
NEGATIVE = GenerationMode.NEGATIVE

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keeps its connection alive: without it, every case opens one."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def schema(stack: Stack) -> BaseSchema:
    """Without the keys that are needed where some are configured: here none is, and a request without one is sound."""
    document = requests.get(f"{stack.url}/openapi.json", timeout=ANSWER_SECONDS).json()
    for operation in (each for methods in document["paths"].values() for each in methods.values()):
        operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(document)
    schema.hooks.register_hook_with_name(with_known_tasks, "map_body")
    return schema


def has_a_short_error(context: CheckContext, response: Response, case: Case[Any], /) -> None:
    if response.status_code >= 400:
        assert len(response.content) <= LONGEST_ERROR


def is_in_time(context: CheckContext, response: Response, case: Case[Any], /) -> None:
    assert response.elapsed < ANSWER_SECONDS


def test_what_the_document_does_not_allow_is_refused_as_it_says(
    schema: BaseSchema, stack: Stack, session: requests.Session
) -> None:
    sent: Counter[str] = Counter()
    failures: Counter[str] = Counter()

    def call(case: Case[Any]) -> None:
        keep_services_going(case)
        sent[case.operation.label] += 1
        every = [*CHECKS, has_no_server_error, has_a_short_error, is_in_time]
        case.call_and_validate(base_url=stack.url, session=session, timeout=ANSWER_SECONDS, checks=every)

    with bounded(stack):
        for operation in operations_of(schema):
            for case in covered(schema, operation):
                failures.update(failures_of(partial(call, case), operation))
            clear_marks(stack)
    assert not failures, "\n\n".join(f"{count} x {text}" for text, count in failures.items())
    assert sent.total() >= LEAST_CASES, sent


def keep_services_going(case: Case[Any]) -> None:
    """A case whose fault is not in its body marks a service in truth, and then work may stand still."""
    if isinstance(case.body, dict) and case.body.get("service_name") in COMPONENTS:
        case.body = case.body | {"service_name": f"queue:{NOWHERE}"}


def covered(schema: BaseSchema, operation: Operation) -> Iterable[Case[Any]]:
    """One for each way in which schemathesis knows to be wrong."""
    config = schema.config.generation_for(operation=operation, phase="coverage")
    return schema.iter_coverage_cases(operation, generation_modes=[NEGATIVE], generation_config=config)


def failures_of(act: Callable[[], None], operation: Operation) -> list[str]:
    """What it raises, in short."""
    try:
        act()
    except (Exception, BaseExceptionGroup) as failure:
        found = failure.exceptions if isinstance(failure, BaseExceptionGroup) else [failure]
        return [f"{operation.label}: {str(one)[:SHOWN]}" for one in found]
    return []
