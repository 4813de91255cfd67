"""The tables of counts: deltas that writers append, and the sums that they are folded into."""

from sqlalchemy import BigInteger, Column, Identity, Numeric, SmallInteger, Table, Text

from store.tables.base import Time, metadata

_counted = (("starts_at", Time), ("task_name", Text), ("queue_name", Text), ("measure", Text))

rollup_deltas = Table(
    "rollup_deltas",
    metadata,
    Column("delta_id", BigInteger, Identity(always=True), primary_key=True),
    *(Column(name, kind, nullable=False) for name, kind in _counted),
    Column("error", Text, nullable=False, server_default=""),
    Column("node", Text, nullable=False, server_default=""),
    Column("bucket", SmallInteger),
    Column("count", BigInteger, nullable=False),
    Column("microseconds", BigInteger, nullable=False, server_default="0"),
)
"""What writers have counted (`domain/rollups.py`) and `loops/rollups` has not yet folded into the tables below.

Only ever inserted, so that no two writers wait for each other. `timed` in the others counts what has a time.
"""

rollup_minutes, rollup_hours, rollup_days, rollup_weeks = (
    Table(
        name,
        metadata,
        *(Column(key, kind, primary_key=True) for key, kind in (*_counted, ("error", Text))),
        Column("count", BigInteger, nullable=False),
        Column("timed", BigInteger, nullable=False),
        Column("microseconds", BigInteger, nullable=False),
        Column("durations", Numeric, nullable=False, server_default="0"),
    )
    for name in ("rollup_minutes", "rollup_hours", "rollup_days", "rollup_weeks")
)
"""Sums by name; `durations` is the histogram of ended tasks, packed into one number (`domain/histograms.py`)."""

rollup_hour_totals = Table(
    "rollup_hour_totals",
    metadata,
    Column("starts_at", Time, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("timed", BigInteger, nullable=False),
    Column("microseconds", BigInteger, nullable=False),
)
"""The sums of all tasks and queues together, with the columns of `rollup_hours`."""

rollup_hour_histograms = Table(
    "rollup_hour_histograms",
    metadata,
    Column("starts_at", Time, primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Durations of ended tasks, of all tasks and queues together."""

rollup_p95s = Table(
    "rollup_p95s",
    metadata,
    Column("period", Text, primary_key=True),
    Column("starts_at", Time, primary_key=True),
    Column("bucket", SmallInteger),
)
"""The bucket in which the 95th percentile of all durations lies that are folded, of each hour and each day."""

rollup_nodes = Table(
    "rollup_nodes",
    metadata,
    Column("starts_at", Time, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Ends by node, in slots of 10 s."""

rollup_totals = Table(
    "rollup_totals",
    metadata,
    Column("measure", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Sums over the whole life of the installation, whatever retention has removed since."""
