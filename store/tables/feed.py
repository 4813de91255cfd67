"""The tables of the feed: what changed, and from where on it is whole."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Table, Text, func, text

from store.tables.audit import Xid8
from store.tables.base import Time, metadata

feed = Table(
    "feed",
    metadata,
    Column("xact", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("change_id", BigInteger, nullable=False),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("task_name", Text),
    Column("queue_name", Text),
    Column("status", Text),
    Column("previous", Text),
    Column("data", JSON, nullable=False),
    Column("sequence", Integer),
    Index("feed_order", "xact", "change_id"),
    postgresql_partition_by="RANGE (at)",
)
"""Rows are inserted in the transaction of what they tell, and never changed; they go by the day. `xact` is the number
of that transaction: below the oldest that still runs, no row is added any more. `sequence` counts the changes of its
subject from 1.
"""

feed_state = Table(
    "feed_state",
    metadata,
    Column("state_no", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Text, nullable=False),
    Column("complete_since", Time, nullable=False, server_default=func.now()),
    Column("dropped_xact", Xid8),
    Column("dropped_change_id", BigInteger),
)
"""One row. `epoch` names this feed among those of other databases, `dropped_*` the last place that is not kept."""
