"""The two bases of every schema, and the error body. Field types are in `types.py`, lists in `pages.py`."""

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.types import Timestamp


class RequestModel(BaseModel):
    """A request body: unknown fields are refused, and nothing is converted silently (`"5"` is no integer)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class ResponseModel(BaseModel):
    """A response body; routes build it from rows by attribute name."""

    model_config = ConfigDict(from_attributes=True, frozen=True, hide_input_in_errors=True)


class FieldError(ResponseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Name as the client wrote it, nested with dots.", examples=["tasks.17.priority"])
    message: str = Field(examples=["Input should be less than or equal to 10"])


class ErrorResponse(ResponseModel):
    """The body of every answer that is not 2xx."""

    detail: str = Field(description="One sentence for people.", examples=["Task not found"])
    code: str = Field(description="Stable, for programs.", examples=["TASK_NOT_FOUND"])
    request_id: str = Field(description="The same as in X-Request-ID and in the log.")
    timestamp: Timestamp
    errors: list[FieldError] | None = Field(
        None, description="What is wrong with a request, with status 400 or 403; at most 100."
    )
    worker_id: str | None = Field(None, description="Only with WORKER_EXISTS: whose name it is.")
