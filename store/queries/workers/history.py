"""What people asked of a worker, as the audit has it."""

from sqlalchemy import ColumnElement, Integer, Text, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import NAMELESS
from domain.workers.history import Request
from store.tables.audit import audit

MAX_REQUESTS = 200

_is_nameless = audit.c.actor_kind.in_(sorted(NAMELESS))
_by: ColumnElement[str] = case(
    (_is_nameless, audit.c.actor_kind),
    else_=func.concat(audit.c.actor_kind, ":", audit.c.actor_id, type_=Text),
)
_by_name = case((~_is_nameless, audit.c.actor_name))
_capacity = audit.c.after["capacity"].astext.cast(Integer)
_requests = (
    select(audit.c.at, audit.c.action, _by, audit.c.reason, _capacity, _by_name)
    .where(audit.c.subject_id == bindparam("worker_id"), audit.c.subject_kind == "worker")
    .order_by(audit.c.at.desc(), audit.c.audit_id.desc())
    .limit(MAX_REQUESTS)
)


async def list_requests(connection: AsyncConnection, worker_id: str) -> list[Request]:
    """Return what was asked of a worker, newest first, up to `MAX_REQUESTS` (index audit_subject)."""
    return [Request(*row) for row in await connection.execute(_requests, {"worker_id": worker_id})]
