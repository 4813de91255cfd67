"""The section `webhooks` of the OpenAPI document: what we send to receivers, one entry for each type of events."""

from typing import Any

from api.schemas.event_types import NAMES, data_model_of, example_of

Json = dict[str, Any]

_HEADERS = {
    "webhook-id": "The same for each attempt to deliver a change: what has it was here before.",
    "webhook-timestamp": "When this attempt was made, in Unix seconds.",
    "webhook-signature": "One signature `v1,<base64>` for each secret, with spaces between them.",
}
_PARAMETERS: list[Json] = [
    {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
    for name, meaning in _HEADERS.items()
]
_RESPONSES: Json = {
    "2XX": {"description": "It was taken. Anything else is tried again later."},
    "410": {"description": "Nothing more is to be sent: the webhook is disabled."},
}
_REFERENCE = "#/components/schemas/{model}"


def add_webhooks(document: Json) -> None:
    """Add the entries, and the schemas that they refer to."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    document["webhooks"] = {name: {"post": _operation(name, schemas)} for name in NAMES}


def _operation(name: str, schemas: Json) -> Json:
    model = data_model_of(name)
    data = model.model_json_schema(ref_template=_REFERENCE)
    for other, schema in data.pop("$defs", {}).items():
        schemas.setdefault(other, schema)
    schemas.setdefault(model.__name__, data)
    body = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": _REFERENCE.format(model=model.__name__)},
        },
    }
    content = {"application/json": {"schema": body, "example": example_of(name)}}
    return {
        "operationId": f"webhook_{name.replace('.', '_')}",
        "summary": name,
        "tags": ["webhooks"],
        "parameters": _PARAMETERS,
        "requestBody": {"required": True, "content": content},
        "responses": _RESPONSES,
    }
