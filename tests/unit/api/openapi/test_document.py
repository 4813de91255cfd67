"""Walks the whole document: a new route that says too little about itself fails here."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.declarations import Reach
from api.errors import RateLimited
from api.middleware.scopes import SIGN_INS
from api.openapi.document import ANY_KEY, HEADERS, OWN_SCOPE_FIELD, REACH_FIELD, SCOPE_FIELD, responses
from api.routing import API_PREFIX, HEALTH_TAG, StrictRoute
from domain.degradation import Access
from domain.errors import Conflict, TaskAlreadyFinished, TaskNotFound
from domain.scopes import Scope
from settings import Settings
from tests.document import document

APP = create_app(Settings())
DOCUMENT: dict[str, Any] = document()
ERROR_SCHEMAS = {"#/components/schemas/ErrorResponse", "#/components/schemas/UnhealthyResponse"}


OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


ROUTES = [
    context.original_route
    for context in iter_route_contexts(APP.routes)
    if isinstance(context.original_route, StrictRoute)
]
KEPT = [DOCUMENT["paths"][route.path_format]["get"] for route in ROUTES if route.declared.caches_answers]


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from refs(item)


def is_success(status: str) -> bool:
    return status.startswith(("2", "3"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_has_a_summary_a_tag_and_a_model_for_each_success(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"]
    successes = {status: response for status, response in operation["responses"].items() if is_success(status)}
    assert successes
    for status, response in successes.items():
        assert status in ("204", "302", "304") or all(content["schema"] for content in response["content"].values()), (
            status
        )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_errors_are_declared_in_the_one_form_and_never_as_422(operation: dict[str, Any]) -> None:
    errors = {status: response for status, response in operation["responses"].items() if not is_success(status)}
    assert "422" not in errors
    expected = {"400", "500"}
    if HEALTH_TAG not in operation["tags"]:
        expected |= {"401", "403", "429", "503"}
    if "requestBody" in operation:
        expected |= {"413", "415"}
    assert errors.keys() >= expected
    for response in errors.values():
        assert response["content"]["application/json"]["schema"]["$ref"] in ERROR_SCHEMAS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_says_what_a_key_must_have_unless_it_asks_for_none(operation: dict[str, Any]) -> None:
    if HEALTH_TAG in operation["tags"] or operation["security"] == []:
        assert SCOPE_FIELD not in operation
    else:
        assert operation[SCOPE_FIELD] in {*Scope, ANY_KEY}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_says_what_a_key_with_limits_may_do_where_it_asks_for_a_scope(operation: dict[str, Any]) -> None:
    asks_for_scope = operation.get(SCOPE_FIELD) in set(Scope)
    assert (operation.get(REACH_FIELD) in set(Reach)) is asks_for_scope


def test_what_tells_of_more_than_tasks_is_about_the_whole_fleet() -> None:
    """What holds tasks back at the limits of a key is a query of tasks, of workflows or of counts by name,
    `domain.feed.is_seen`, or that it tells of nothing but ids which the key sees (`api/routes/live.py`), or of no
        task at all (`api/routes/mirror.py`).
    """
    paths = {path for path, verbs in DOCUMENT["paths"].items() for each in verbs.values() if is_within(each)}
    firsts = {path.removeprefix(API_PREFIX).split("/")[1] for path in paths}
    by_task = {"tasks", "workflows", "search", "events", "live"}
    assert firsts == by_task | {"queues", "task-names", "analytics", "resilience", "mirror"}


def is_within(operation: dict[str, Any]) -> bool:
    return operation.get(REACH_FIELD) == Reach.WITHIN_LIMITS


def test_what_a_submitter_is_shown_of_his_own() -> None:
    own = {
        path.removeprefix(API_PREFIX)
        for path, verbs in DOCUMENT["paths"].items()
        for operation in verbs.values()
        if operation.get(OWN_SCOPE_FIELD) == Scope.SUBMIT
    }
    assert own == {
        "/tasks",
        "/tasks/{task_id}",
        "/tasks/{task_id}/timeline",
        "/tasks/states",
        "/tasks/{task_id}/explanation",
        "/workflows",
        "/workflows/{workflow_id}",
        "/workflows/{workflow_id}/graph",
        "/workflows/{workflow_id}/timeline",
    }


def test_what_a_key_for_reading_may_call_is_what_asks_for_no_more() -> None:
    """Beside what asks for any key, and the keys themselves, which only an administrator reads."""
    scopes = {
        (method, operation[SCOPE_FIELD])
        for methods in DOCUMENT["paths"].values()
        for method, operation in methods.items()
        if SCOPE_FIELD in operation
    }
    assert {method for method, scope in scopes if scope == Scope.READ} == {"get"}
    assert {scope for method, scope in scopes if method == "get"} == {Scope.READ, Scope.ADMIN, ANY_KEY}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_headers_are_declared_on_every_response(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        expected = {"X-Request-ID", "X-Celeriac-Build"}
        if operation in KEPT and status == "200":
            expected |= {"Warning"}
        if operation in KEPT and status in ("200", "304"):
            expected |= {"Age"}
        if status in ("200", "304") and "304" in operation["responses"]:
            expected |= {"ETag"}
        if HEALTH_TAG not in operation["tags"]:
            expected |= {name for name in HEADERS if name.startswith("X-RateLimit-")}
        if status in ("429", "503"):
            expected |= {"Retry-After"}
        if status == "201" and "Idempotency-Key" in {
            parameter["name"] for parameter in operation.get("parameters", ())
        }:
            expected |= {"Idempotent-Replayed"}
        assert response["headers"].keys() == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_key_is_asked_for_everywhere_but_for_health(operation: dict[str, Any]) -> None:
    assert ("security" in operation) is (HEALTH_TAG not in operation["tags"])


def test_only_who_signs_in_is_asked_for_nothing_by_a_route_that_is_limited() -> None:
    found = {
        (method.upper(), path)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") == []
    }
    assert found == SIGN_INS


def test_a_path_with_an_id_declares_that_there_may_be_no_such_thing() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            assert ("{" in path) <= ("404" in operation["responses"]), path


def test_the_document_says_what_it_is_and_every_reference_in_it_leads_somewhere() -> None:
    assert (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"]) == ("Celeriac", "1.0.0")
    for ref in refs(DOCUMENT):
        node = DOCUMENT
        for step in ref.removeprefix("#/").split("/"):
            node = node[step]
    assert "ValidationError" not in str(DOCUMENT["components"]["schemas"].keys())


def test_every_route_of_the_api_refuses_what_it_does_not_know() -> None:
    routes = [context for context in iter_route_contexts(APP.routes) if (context.path or "").startswith(API_PREFIX)]
    assert routes
    for context in routes:
        assert isinstance(context.original_route, StrictRoute), context.path


def test_errors_of_one_status_share_an_entry_with_an_example_for_each_code() -> None:
    declared = responses(TaskNotFound, Conflict, TaskAlreadyFinished, RateLimited)
    assert declared.keys() == {404, 409, 429}
    assert declared[409]["description"] == "`CONFLICT`, `TASK_ALREADY_FINISHED`"
    assert declared[409]["content"]["application/json"]["examples"].keys() == {"CONFLICT", "TASK_ALREADY_FINISHED"}


def test_a_routes_own_400_stands_beside_the_one_of_all_routes() -> None:
    submit = DOCUMENT["paths"][f"{API_PREFIX}/tasks"]["post"]["responses"]["400"]
    assert submit["content"]["application/json"]["examples"].keys() == {"UNKNOWN_TASK_NAME", "VALIDATION_ERROR"}


def test_routes_declare_what_marks_and_breakers_go_by() -> None:
    declared = {
        (method, route.path_format.removeprefix(API_PREFIX)): route.declared
        for route in ROUTES
        for method in route.methods or ()
    }
    assert {route for route, each in declared.items() if each.access is Access.SUBMIT} == {
        ("POST", "/tasks"),
        ("POST", "/tasks/batch"),
        ("POST", "/tasks/{task_id}/replay"),
        ("POST", "/workflows"),
        ("POST", "/workflows/{workflow_id}/retry"),
        ("POST", "/workflows/{workflow_id}/replay"),
    }
    assert {route for route, each in declared.items() if each.access is Access.READ_RESULT} == {
        ("GET", "/tasks/{task_id}")
    }
    assert {path for (method, path), each in declared.items() if each.caches_answers and method == "GET"} == {
        "/tasks",
        "/tasks/{task_id}",
        "/workers",
        "/workflows",
        "/search/tasks",
        "/search/presets",
        "/search/presets/{name}",
        "/dashboard/stats",
        "/dashboard/workers",
        "/analytics/trends",
        "/analytics/failures",
        "/analytics/durations",
        "/mirror/gaps",
        "/queues",
        "/queues/{queue_name}",
        "/task-names",
        "/task-names/{task_name}",
        "/alerts",
    }
