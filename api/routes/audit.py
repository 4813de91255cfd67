"""The audit: who did what, as a list and as CSV, and whether anybody has tampered with it. No route writes it."""

from typing import Annotated

from fastapi import Query, Response

from api.declarations import needs, whole_fleet
from api.dependencies import ExportConnection, Resources, SearchConnection
from api.openapi.document import responses
from api.pages.csv_export import CSV_FILE, EXPORT_SECONDS, CsvResponse, csv_response
from api.pages.cursors import decode_uuid_cursor, encode_cursor
from api.routing import api_router
from api.schemas.audit import AuditFilters, AuditModel, AuditPage, AuditQuery, AuditVerification
from domain.errors import Overloaded
from domain.filters import Cursor
from domain.scopes import Scope
from services.audit_seals import verify
from store.queries.audit import CELLS, count_rows, list_rows, stream_lines

VERIFY_SECONDS = 8.0

router = api_router("/audit", tag="audit")


@router.get("", summary="List the audit", response_model=AuditPage)
@needs(Scope.ADMIN)
@whole_fleet
async def list_audit(connection: SearchConnection, query: Annotated[AuditQuery, Query()]) -> AuditPage | Response:
    """What was done by whom, newest first. A submission is no row here: its task tells of it."""
    filters = query.as_filter()
    total, is_exact = await count_rows(connection, filters)
    after = decode_uuid_cursor(query.cursor) if query.cursor else None
    page = await list_rows(connection, filters, limit=query.limit, offset=query.offset, after=after)
    models = [AuditModel.from_row(row) for row in page]
    return AuditPage(
        total=total,
        total_is_exact=is_exact,
        limit=query.limit,
        offset=query.offset,
        data=models,
        audit=models,
        next_cursor=encode_cursor(Cursor(page[-1].at, str(page[-1].audit_id))) if len(page) == query.limit else None,
    ).with_rows(query.rows)


@router.get(
    "/export/csv",
    summary="Export the audit as CSV",
    response_class=Response,
    responses=responses(Overloaded) | {200: CSV_FILE},
)
@needs(Scope.ADMIN)
@whole_fleet
async def export_audit(connection: ExportConnection, query: Annotated[AuditFilters, Query()]) -> CsvResponse:
    """All rows that match, streamed, newest first. A cell that would be a formula begins with `'`."""
    lines = stream_lines(connection, query.as_filter(), seconds=EXPORT_SECONDS)
    return await csv_response(lines, columns=CELLS, name="audit")


@router.get("/verify", summary="Verify the audit")
@needs(Scope.ADMIN)
@whole_fleet
async def verify_audit(
    connection: SearchConnection,
    resources: Resources,
    *,
    after_seal: Annotated[int, Query(ge=0, le=2**53 - 1, description="Go on behind the seal of this number.")] = 0,
) -> AuditVerification:
    """Compares all rows with the seals over them, and names the first that was changed, deleted, inserted or moved."""
    keys = resources.settings.audit_keys
    found = await verify(connection, keys, seconds=VERIFY_SECONDS, after=after_seal)
    return AuditVerification.from_verification(found)
