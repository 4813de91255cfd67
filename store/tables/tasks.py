"""The tables of tasks and of what happened to them.

Everything that grows with tasks carries `task_id` in its key. `tasks` is the hot row and stays narrow: arguments,
results, tracebacks and events live beside it.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from store.tables.base import Time, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("task_name", Text),
    Column("status", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("priority", SmallInteger),
    Column("queue_name", Text),
    Column("max_retries", Integer),
    Column("timeout_seconds", Integer),
    Column("created_at", Time, nullable=False),
    Column("scheduled_at", Time),
    Column("dispatched_at", Time),
    Column("first_started_at", Time),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("duration_seconds", Double),
    Column("retry_count", Integer, nullable=False, server_default="0"),
    Column("retries_base", Integer, nullable=False, server_default="0"),
    Column("attempt_count", Integer, nullable=False, server_default="0"),
    Column("node", Text),
    Column("exception", Text),
    Column("root_id", Text),
    Column("parent_id", Text),
    Column("original_task_id", Text),
    Column("workflow_id", Uuid),
    Column("cancel_requested_at", Time),
    Column("cancel_signal", Text),
    Column("result_pending", Boolean, nullable=False, server_default="false"),
    Column("reconstructed", Boolean, nullable=False, server_default="false"),
    Column("outcome", Text),
    Column("fact_count", Integer, nullable=False, server_default="0"),
    Column("submitted_here", Boolean, nullable=False, server_default="false"),
    Column("events_from", Time, nullable=False),
    Column("checked_at", Time, nullable=False),
    Column("submitted_by", Text),
    Column("change_count", Integer, nullable=False, server_default="0"),
    Index("tasks_created", "created_at", "task_id"),
    Index("tasks_status", "status", "created_at", "task_id"),
    Index("tasks_queue", "queue_name", "created_at", "task_id"),
    Index("tasks_name", "task_name", "created_at", "task_id"),
    Index("tasks_node_running", "node", postgresql_where=text("status = 'RUNNING'")),
    Index("tasks_unfinished", "checked_at", postgresql_where=text("status IN ('PENDING', 'RUNNING')")),
    Index(
        "tasks_cancels",
        "task_id",
        postgresql_where=text("cancel_requested_at IS NOT NULL AND status IN ('PENDING', 'RUNNING')"),
    ),
    Index("tasks_result_pending", "checked_at", postgresql_where=text("result_pending")),
    Index("tasks_workflow", "workflow_id", "created_at", "task_id", postgresql_where=text("workflow_id IS NOT NULL")),
    Index("tasks_replays", "created_at", "task_id", postgresql_where=text("original_task_id IS NOT NULL")),
    Index("tasks_root", "root_id", "created_at", "task_id", postgresql_where=text("parent_id IS NOT NULL")),
    Index("tasks_held", "queue_name", postgresql_where=text("phase IN ('reserved', 'running')")),
    Index("tasks_ended", "completed_at", "status", postgresql_where=text("completed_at IS NOT NULL")),
    Index("tasks_started", "started_at", postgresql_where=text("started_at IS NOT NULL")),
    Index("tasks_duration", "duration_seconds", postgresql_where=text("duration_seconds IS NOT NULL")),
    Index(
        "tasks_exception",
        "exception",
        postgresql_using="gin",
        postgresql_ops={"exception": "gin_trgm_ops"},
        postgresql_where=text("exception IS NOT NULL"),
    ),
    Index(
        "tasks_unreceived",
        "queue_name",
        "dispatched_at",
        postgresql_where=text("phase = 'queued' AND submitted_here AND attempt_count = 0"),
    ),
)

task_arguments = Table(
    "task_arguments",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("args", JSON),
    Column("kwargs", JSON),
    Column("args_repr", Text),
    Column("kwargs_repr", Text),
)
"""`args`/`kwargs` as submitted here, or the shortened reprs that Celery tells of others' tasks."""

task_results = Table(
    "task_results",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("result", JSON),
    Column("truncated", Boolean, nullable=False, server_default="false"),
    Column("exception_type", Text),
    Column("exception_message", Text),
    Column("traceback", Text),
    Column("stored_at", Time, nullable=False, server_default=func.now()),
    Column("unreadable", Text),
    Column("result_repr", Text),
    Index("task_results_unreadable", "stored_at", postgresql_where=text("unreadable IS NOT NULL")),
)
"""`unreadable`: why what the backend holds is not shown; `result_repr`: what an event told of it. Both for people."""

attempts = Table(
    "attempts",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("retries", Integer, nullable=False),
    Column("delivery", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("node", Text),
    Column("received_at", Time),
    Column("started_at", Time),
    Column("finished_at", Time),
    Column("runtime_seconds", Double),
    Column("exception", Text),
    Column("traceback", Text),
)

events = Table(
    "events",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("occurred_at", Time, primary_key=True),
    Column("event_key", Text, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("node", Text),
    Column("pid", BigInteger),
    Column("clock", BigInteger),
    Column("retries", Integer),
    Column("details", JSON),
    Column("recorded_at", Time, nullable=False, server_default=func.now()),
    postgresql_partition_by="RANGE (occurred_at)",
)
"""The facts (`domain/facts.py`); `tasks` and `attempts` are their fold. Partitioned by day."""

outbox = Table(
    "outbox",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("due_at", Time, nullable=False),
    Column("dispatch_no", Integer, nullable=False, server_default="1"),
    Column("postponed_at", Time),
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("refusal", Text),
    Column("parked_at", Time),
    Index("outbox_due", "due_at", "task_id", postgresql_where=text("refusals <= 0")),
    Index("outbox_refused", "due_at", "task_id", postgresql_where=text("refusals > 0")),
    Index("outbox_postponed", "postponed_at", "task_id", postgresql_where=text("postponed_at IS NOT NULL")),
)
"""`postponed_at`: when the broker was first offered the task and did not surely take it. `refusals`: how often the
broker has refused just this task, `refusal`: why it did so last, `parked_at`: since when it counts as parked. Each of
the two kinds of rows has an index of its own, so that none of the one is in the way of the other."""

gaps = Table(
    "gaps",
    metadata,
    Column("gap_id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("started_at", Time, nullable=False),
    Column("ended_at", Time, nullable=False),
    Index("gaps_ended", "ended_at"),
)
"""Stretches during which the mirror could not hear events."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("request_hash", LargeBinary, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", Text),
    Column("created_at", Time, nullable=False),
    Index("idempotency_keys_created", "created_at"),
)
"""Requests that may be sent again and must act once. `answer` is null only inside the first one's transaction."""
