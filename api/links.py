"""The links of the OpenAPI document: the operations that take the id which a submission answers with.

Clients that walk the document go from a submission to its task or workflow without guessing; so do our tests.
"""

from typing import Any

from api.routing import API_PREFIX

Json = dict[str, Any]

_TASK = ("/tasks", "task_id")
_WORKFLOW = ("/workflows", "workflow_id")
_FOLLOWING = {
    _TASK: (
        ("get", "/tasks/{task_id}"),
        ("get", "/tasks/{task_id}/timeline"),
        ("get", "/tasks/{task_id}/tree"),
        ("post", "/tasks/{task_id}/cancel"),
        ("post", "/tasks/{task_id}/replay"),
        ("get", "/tasks/{task_id1}/compare/{task_id2}"),
    ),
    _WORKFLOW: (
        ("get", "/workflows/{workflow_id}"),
        ("get", "/workflows/{workflow_id}/graph"),
        ("get", "/workflows/{workflow_id}/timeline"),
        ("post", "/workflows/{workflow_id}/cancel"),
        ("post", "/workflows/{workflow_id}/retry"),
        ("post", "/workflows/{workflow_id}/replay"),
    ),
}
"""By the path that is posted to and the field of its answer: where every parameter of the path takes that id."""


def add_links(document: Json) -> None:
    """Adds `links` to the 201 of each submission that the document has."""
    paths = document.get("paths", {})
    for (source, field), targets in _FOLLOWING.items():
        submission = paths.get(API_PREFIX + source, {}).get("post")
        if submission:
            operations = (paths[API_PREFIX + path][method] for method, path in targets)
            submission["responses"]["201"]["links"] = {
                operation["operationId"]: _link(operation, f"$response.body#/{field}") for operation in operations
            }


def _link(operation: Json, identity: str) -> Json:
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
    return {"operationId": operation["operationId"], "parameters": dict.fromkeys(names, identity)}
