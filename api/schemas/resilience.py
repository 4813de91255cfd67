"""Degradation marks and the state of the system's parts, as docs/rest-contract.md has it."""

from typing import Annotated, Self

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.types import Text, Timestamp
from domain.degradation import SERVICES, Mark, Strategy
from domain.health import ComponentStatus
from services.resident.degradation import MAX_DURATION_SECONDS

ServiceName = Annotated[
    Text, Field(min_length=1, max_length=300, description=f"One of {', '.join(SERVICES)}.", examples=["database"])
]


class DegradationRequest(RequestModel):
    """The body of `POST /resilience/degradation/mark`."""

    service_name: ServiceName
    strategy: Annotated[Strategy, Field(strict=False, examples=["return_cached"])]
    duration_seconds: Annotated[int, Field(ge=1, le=MAX_DURATION_SECONDS)] = 300


class ClearRequest(RequestModel):
    """The body of `POST /resilience/degradation/clear`."""

    service_name: ServiceName


class MarkedService(ResponseModel):
    """A mark that was set."""

    service_name: str
    strategy: Strategy
    degraded_until: Timestamp


class ClearedService(ResponseModel):
    """A service that is not marked any more."""

    service_name: str
    cleared: bool = Field(description="Whether it was marked.")


class ActiveMark(ResponseModel):
    """A mark in force, set by a client or by a breaker."""

    service_name: str
    strategy: Strategy
    degraded_until: Timestamp | None = Field(description="null: set by a breaker, ends when the service is back.")
    automatic: bool
    set_at: Timestamp | None = Field(description="null: set by a breaker, or by a version that did not keep it.")
    set_by: str | None = Field(description="Who set it.", examples=["api_key:k7Qm2ZpX4rT1"])
    set_by_name: str | None = Field(description="How he is called; null where there are no keys.", examples=["ann"])
    reason: str | None = Field(description="Why, if it was said in `X-Celeriac-Reason`.")

    @classmethod
    def from_mark(cls, mark: Mark) -> Self:
        signature = mark.signature
        return cls(
            set_at=signature and signature.at,
            set_by=signature and signature.by,
            set_by_name=signature and signature.name,
            reason=signature and signature.reason,
            service_name=mark.service_name,
            strategy=mark.strategy,
            degraded_until=mark.until,
            automatic=mark.until is None,
        )


class SystemHealth(ResponseModel):
    """How many of the five components are well; one that is marked or of unknown condition is not."""

    components_total: int = Field(examples=[5])
    healthy: int = Field(examples=[4])
    unhealthy: int = Field(examples=[1])


class Degradation(ResponseModel):
    """What is marked, by clients and by breakers."""

    degraded_services_count: int
    services: list[str] = Field(examples=[["database"]])
    marks: list[ActiveMark]


class Component(ResponseModel):
    """A part of the system."""

    name: str
    status: ComponentStatus = Field(description="`degraded`: it answers, and is marked.")
    since: Timestamp = Field(
        description="When this API process found that it answers, or does not; whatever is marked."
    )
    detail: str | None = Field(description="Why it is not healthy.")


class Mirror(ResponseModel):
    """What the mirror's own facts say of it; null while the database does not answer."""

    lag_seconds: float | None = Field(
        description="Since the last sign of life of any node that is online, of which each gives one every 2 s; "
        "null while none is."
    )
    gaps_24h: int | None = Field(description="Stretches of time of the last 24 hours in which it could not hear.")


class ResilienceSummary(ResponseModel):
    """The state of the system's parts."""

    system_health: SystemHealth
    degradation: Degradation
    resilience_score: float = Field(description="100 x healthy / total.", examples=[80.0])
    components: list[Component]
    other_parts: list[Component] = Field(description="What `/health` also looks at, and the score leaves out.")
    mirror: Mirror
