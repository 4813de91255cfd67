"""Health, as docs/rest-contract.md has it in section 7."""

from pydantic import Field

from api.schemas.base import ErrorResponse, ResponseModel
from domain.health import Condition, Health


class HealthResponse(ResponseModel):
    """The last verdict of the background probe."""

    status: Health
    version: str = Field(examples=["1.0.0"])
    checks: dict[str, Condition] = Field(examples=[{"database": "healthy", "redis": "healthy", "workers": "healthy"}])


class UnhealthyResponse(HealthResponse, ErrorResponse):
    """The verdict and, as in every answer that is not 2xx, the error."""


class LiveResponse(ResponseModel):
    """The process answers; nothing is said of what it depends on."""

    status: Health = Health.HEALTHY
    version: str
