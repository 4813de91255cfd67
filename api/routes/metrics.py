"""Figures for Prometheus, at the path where it looks for them: no part of the REST reference, open as health is."""

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.dependencies import OpenRooms
from api.middleware.scopes import METRICS_PATH
from store.engine import pool_use

router = APIRouter()


@router.get(METRICS_PATH, include_in_schema=False)
async def get_metrics(rooms: OpenRooms) -> Response:
    """Within 1 s, whatever hangs."""
    figures = await rooms.fleet.read()
    text = rooms.metrics.render(
        pool=pool_use(rooms.engine),
        conditions=rooms.probe.verdict().checks,
        failing=rooms.probe.breakers.open_ones(),
        figures=figures,
    )
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
