"""Health for people and orchestrators; answers at once with the probe's last verdict, whatever hangs."""

from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response

from api.dependencies import OpenRooms
from api.routing import HEALTH_TAG, api_router
from api.schemas.health import HealthResponse, LiveResponse, UnhealthyResponse
from api.version import VERSION
from domain.errors import DatabaseUnavailable
from domain.health import Health

router = api_router("/health", tag=HEALTH_TAG)

UNHEALTHY: dict[int | str, dict[str, Any]] = {
    503: {"model": UnhealthyResponse, "description": "The database is down."},
}


@router.get("", summary="Health of the whole system", response_model=HealthResponse, responses=UNHEALTHY)
async def get_health(request: Request, rooms: OpenRooms) -> Response | HealthResponse:
    """`degraded`: a part is down, but the API still stores and answers; only without the database it is `unhealthy`."""
    return _answer(request, rooms)


@router.get("/ready", summary="Whether to send requests here", response_model=HealthResponse, responses=UNHEALTHY)
async def get_readiness(request: Request, rooms: OpenRooms) -> Response | HealthResponse:
    """Ready while the database answers, as `/health`."""
    return _answer(request, rooms)


@router.get("/live", summary="Whether the process is alive", response_model=LiveResponse)
async def get_liveness() -> LiveResponse:
    """Always 200: a restart of this process would mend nothing else."""
    return LiveResponse(version=VERSION)


def _answer(request: Request, rooms: OpenRooms) -> Response | HealthResponse:
    verdict = rooms.probe.verdict()
    if verdict.health is not Health.UNHEALTHY:
        return HealthResponse(status=verdict.health, version=VERSION, checks=dict(verdict.checks))
    error = DatabaseUnavailable()
    body = UnhealthyResponse(
        status=verdict.health,
        version=VERSION,
        checks=dict(verdict.checks),
        detail=error.detail,
        code=error.code,
        request_id=request.scope["request_id"],
        timestamp=datetime.now(UTC),
        errors=None,
    )
    return Response(body.model_dump_json(exclude_none=True), status_code=503, media_type="application/json")
