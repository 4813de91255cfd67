"""Figures for Prometheus, at the path where it looks for them: no part of the REST reference.

Open on loopback, unless `CELERIAC_METRICS_KEY` is set; `api/middleware/authentication.py` decides.
"""

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.dependencies import Resources
from api.middleware.scopes import METRICS_PATH

router = APIRouter()


@router.get(METRICS_PATH, include_in_schema=False)
async def get_metrics(resources: Resources) -> Response:
    """Answers within 1 s, whatever hangs, with figures that are at most 1 s old."""
    return Response(await resources.scrapes.read(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
