"""The links of the OpenAPI document: the operations that take the id which a submission answers with.

Clients that walk the document go from a submission to its task or workflow without guessing; so do our tests.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def add_links(document: Json, id_fields: Mapping[str, str]) -> None:
    """Add `links` to the 201 of each submission; `id_fields`: by its path, the field of its answer that holds the id.

    They lead to all operations below the path: every parameter of their paths takes that id.
    """
    for source, field in id_fields.items():
        below = (methods for path, methods in document["paths"].items() if path.startswith(f"{source}/{{"))
        document["paths"][source]["post"]["responses"]["201"]["links"] = {
            operation["operationId"]: _link(operation, f"$response.body#/{field}")
            for methods in below
            for operation in methods.values()
        }


def _link(operation: Json, identity: str) -> Json:
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
    return {"operationId": operation["operationId"], "parameters": dict.fromkeys(names, identity)}
