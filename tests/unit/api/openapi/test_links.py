"""From a submission to all that takes its id."""

from typing import Any

from api.openapi.links import add_links

Json = dict[str, Any]


def operation(name: str, *parameters: tuple[str, str]) -> Json:
    return {
        "operationId": name,
        "parameters": [{"name": each, "in": where} for each, where in parameters],
        "responses": {"201": {"description": "Made"}},
    }


def document() -> Json:
    return {
        "paths": {
            "/tasks": {"post": operation("submit"), "get": operation("list")},
            "/tasks/batch": {"post": operation("submit_batch")},
            "/tasks/{task_id}": {"get": operation("get", ("task_id", "path"), ("rows", "query"))},
            "/tasks/{task_id}/compare/{other_id}": {
                "get": operation("compare", ("task_id", "path"), ("other_id", "path"))
            },
            "/tasks-of-others/{task_id}": {"get": operation("other", ("task_id", "path"))},
            "/workflows/{task_id}": {"delete": operation("drop", ("task_id", "path"))},
        }
    }


def test_a_submission_leads_to_every_operation_below_its_path() -> None:
    made = document()
    add_links(made, {"/tasks": "task_id"})
    links = made["paths"]["/tasks"]["post"]["responses"]["201"]["links"]
    assert links == {
        "get": {"operationId": "get", "parameters": {"task_id": "$response.body#/task_id"}},
        "compare": {
            "operationId": "compare",
            "parameters": dict.fromkeys(("task_id", "other_id"), "$response.body#/task_id"),
        },
    }


def test_operations_without_a_link_are_left_as_they_were() -> None:
    made = document()
    add_links(made, {"/tasks": "task_id"})
    made["paths"]["/tasks"]["post"]["responses"]["201"].pop("links")
    assert made == document()


def test_nothing_declared_is_nothing_added() -> None:
    made = document()
    add_links(made, {})
    assert made == document()
