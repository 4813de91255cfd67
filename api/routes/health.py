"""Health for people and orchestrators; answers at once with the probe's last verdict, whatever hangs."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fastapi import Request, Response

from api.dependencies import Resources
from api.routing import HEALTH_TAG, api_router
from api.schemas.health import HealthResponse, LiveResponse, UnhealthyResponse
from api.version import VERSION
from domain.errors import DatabaseUnavailable
from domain.health import Condition, Health

router = api_router("/health", tag=HEALTH_TAG)

UNHEALTHY: dict[int | str, dict[str, Any]] = {
    503: {"model": UnhealthyResponse, "description": "The database is down."},
}


@router.get("", summary="Health of the whole system", response_model=HealthResponse, responses=UNHEALTHY)
async def get_health(request: Request, resources: Resources) -> Response:
    """`degraded`: a part is down, but the API still stores and answers; only without the database it is `unhealthy`."""
    return _answer(request, resources)


@router.get("/ready", summary="Whether to send requests here", response_model=HealthResponse, responses=UNHEALTHY)
async def get_readiness(request: Request, resources: Resources) -> Response:
    """Ready while the database answers, as `/health`."""
    return _answer(request, resources)


@router.get("/live", summary="Whether the process is alive", response_model=LiveResponse)
async def get_liveness() -> LiveResponse:
    """Always 200: a restart of this process would mend nothing else."""
    return LiveResponse(version=VERSION)


@lru_cache(maxsize=64)
def _body(health: Health, checks: tuple[tuple[str, Condition], ...]) -> str:
    """Made when something changes, which is once a second at most: anybody may ask, as often as they like."""
    return HealthResponse(status=health, version=VERSION, checks=dict(checks)).model_dump_json()


def _answer(request: Request, resources: Resources) -> Response:
    verdict = resources.probe.report()
    if verdict.health is not Health.UNHEALTHY:
        return Response(_body(verdict.health, tuple(verdict.checks.items())), media_type="application/json")
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
