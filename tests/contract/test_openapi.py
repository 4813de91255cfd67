"""Every operation of /openapi.json answers as the document says, to cases generated from it and along its links.

On a stack of its own: the cases mark services as degraded and change the rules of alerts.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.schemas import OpenApiSchema

from bench.fuzzing.operations import is_stream
from tests.acceptance.stack import Stack, running
from tests.patience import PATIENCE_SECONDS

Operation = APIOperation[Any, Any, Any, Any]
CASES_EACH = 6
"""Of either kind: sound, and not."""
LEAST_CASES = 1100
SHOWN = 600
"""Characters of each failure that are printed."""
BODIES: dict[str, Any] = {"POST /api/v1/tasks/{task_id}/reveal": {"reason": "INC-17"}}
"""The bodies of operations that ask for one."""

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("openapi")) as stack:
        yield stack


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keeps its connection alive: without it, every case opens one."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def schema(stack: Stack) -> BaseSchema:
    schema = schemathesis.openapi.from_url(f"{stack.url}/openapi.json", timeout=PATIENCE_SECONDS)
    schema.hooks.register_hook_with_name(with_known_tasks, "map_body")
    return schema


def with_known_tasks(context: HookContext, body: Any) -> Any:
    """Names of tasks that a worker knows, and steps that wait for none: a document cannot say that of a text."""
    match body:
        case {"task_name": str()}:
            return body | {"task_name": "celeriac.echo"}
        case {"steps": [*steps]}:
            return body | {"steps": [with_known_tasks(context, without_order(step)) for step in steps]}
        case {"scopes": [*scopes]}:
            # A key with it would close this API to all that come after.
            return body | {"scopes": [scope for scope in scopes if scope != "admin"]}
        case {"tasks": [*tasks]}:
            return body | {"tasks": [with_known_tasks(context, task) for task in tasks]}
    return body


def without_order(step: Any) -> Any:
    return {name: value for name, value in step.items() if name != "depends_on"} if isinstance(step, dict) else step


def bounded(cases: int) -> settings:
    return settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def has_no_server_error(context: CheckContext, response: Response, case: Case[Any], /) -> None:
    """No 503 either: all servers are well, and nothing stays marked."""
    assert response.status_code < 500, response.text


def clear_marks(stack: Stack) -> None:
    for service_name in stack.client.get("/resilience/summary").json()["degradation"]["services"]:
        stack.client.post("/resilience/degradation/clear", json={"service_name": service_name})


def test_generated_cases_are_answered_as_the_document_says(
    schema: BaseSchema, stack: Stack, session: requests.Session
) -> None:
    sent: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for operation in operations_of(schema):
        for mode in GenerationMode:
            try:
                sent[operation.label] += send(operation, mode, url=stack.url, session=session)
            except Unsatisfiable:
                assert mode.is_negative, operation.label  # what takes nothing cannot be sent anything unsound
            except (Exception, BaseExceptionGroup) as failure:
                found = failure.exceptions if isinstance(failure, BaseExceptionGroup) else [failure]
                failures[f"{operation.label} {mode.name}"] = "\n".join(str(one)[:SHOWN] for one in found)
            clear_marks(stack)
    assert not failures, "\n\n".join(f"{name}: {text}" for name, text in failures.items())
    assert sent.total() >= LEAST_CASES, sent


def operations_of(schema: BaseSchema) -> Iterator[Operation]:
    """All of them whose answers end; one that schemathesis cannot read fails the test."""
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        if not is_stream(found.ok().definition.raw):
            yield found.ok()


def send(operation: Operation, mode: GenerationMode, *, url: str, session: requests.Session) -> int:
    """How many cases were sent; raises the first that was answered otherwise."""
    sent = 0

    @bounded(CASES_EACH)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        nonlocal sent
        sent += 1
        case.call_and_validate(base_url=url, session=session, checks=[*CHECKS, has_no_server_error])

    check()
    return sent


@pytest.mark.parametrize(
    ("source", "work"),
    [
        ("/tasks", {"task_name": "celeriac.add", "task_args": [1, 2]}),
        ("/workflows", {"name": "sums", "steps": [{"id": "sum", "task_name": "celeriac.add", "task_args": [1, 2]}]}),
    ],
)
def test_the_id_of_a_submission_opens_each_operation_that_it_is_linked_to(
    schema: BaseSchema, stack: Stack, session: requests.Session, source: str, work: dict[str, Any]
) -> None:
    answers: dict[str, Any] = {"base_url": stack.url, "session": session, "checks": [*CHECKS, has_no_server_error]}
    assert isinstance(schema, OpenApiSchema)
    submission = schema[f"/api/v1{source}"]["POST"]
    submitted = submission.Case(body=work, media_type="application/json").call_and_validate(**answers)
    links = submission.definition.raw["responses"]["201"]["links"]
    assert links
    for link in links.values():
        linked = schema.find_operation_by_id(link["operationId"])
        identity = {
            name: submitted.json()[where.removeprefix("$response.body#/")] for name, where in link["parameters"].items()
        }
        body = BODIES.get(linked.label, NOT_SET)
        kind = None if body is NOT_SET else "application/json"
        answer = linked.Case(path_parameters=identity, body=body, media_type=kind).call_and_validate(**answers)
        assert answer.status_code not in (400, 404), (linked.label, answer.text)
