"""The tables of workflows. What their steps become stands with all other tasks, in `tasks.py`."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, SmallInteger, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from store.tables.base import Time, metadata

workflows = Table(
    "workflows",
    metadata,
    Column("workflow_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("on_failure", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("step_count", Integer, nullable=False),
    Column("unfinished", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("cancel_requested_at", Time),
    Column("stopped_at", Time),
    Column("original_workflow_id", Uuid),
    Column("filled_bytes", BigInteger, nullable=False, server_default="0"),
    Column("submitted_by", Text),
    Index("workflows_created", "created_at", "workflow_id"),
    Index("workflows_status", "status", "created_at", "workflow_id"),
    Index("workflows_name", "name", "created_at", "workflow_id"),
)
"""Who takes steps further holds the lock on this row. `unfinished` counts the steps that are not settled.

`stopped_at`: a step did not complete, and nothing new may start. `filled_bytes`: what the arguments that hold results
are together, since it began or was last retried.
"""

workflow_steps = Table(
    "workflow_steps",
    metadata,
    Column("workflow_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("step_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("waiting_for", Integer, nullable=False),
    Column("settled", Boolean, nullable=False, server_default="false"),
    Column("children", ARRAY(Integer), nullable=False),
    Column("ended_at", Time),
    Column("error", Text),
    Column("earlier_task_ids", ARRAY(Text), nullable=False, server_default="{}"),
    Index("workflow_steps_id", "workflow_id", "step_id", unique=True),
    Index("workflow_steps_task", "workflow_id", "task_id", unique=True),
    Index(
        "workflow_steps_unsettled",
        "workflow_id",
        "position",
        postgresql_where=text("ended_at IS NOT NULL AND NOT settled"),
    ),
    Index(
        "workflow_steps_free",
        "workflow_id",
        "position",
        postgresql_where=text("status = 'WAITING' AND waiting_for = 0"),
    ),
)
"""A step that has a task takes its status from there (`services/record.py`).

`settled`: its end has been taken into account. `error`: why it failed without a task.
`earlier_task_ids`: the tasks that it had before retries of the workflow, the latest of them.
"""

workflow_submissions = Table(
    "workflow_submissions",
    metadata,
    Column("workflow_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("task_name", Text, nullable=False),
    Column("args", JSON, nullable=False),
    Column("kwargs", JSON, nullable=False),
    Column("has_references", Boolean, nullable=False),
    Column("queue_name", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("max_retries", Integer, nullable=False),
    Column("timeout_seconds", Integer),
    Column("scheduled_at", Time),
)
"""What each step submits when its turn comes, with its references. Never changed."""

workflow_wakes = Table(
    "workflow_wakes",
    metadata,
    Column("workflow_id", Uuid, nullable=False),
    Column("due_at", Time, nullable=False, server_default=func.now()),
    Index("workflow_wakes_due", "due_at"),
    Index("workflow_wakes_workflow", "workflow_id"),
)
"""Workflows that `loops/workflows.py` must look at. An id may stand here often."""

workflow_events = Table(
    "workflow_events",
    metadata,
    Column("workflow_id", Uuid, primary_key=True),
    Column("occurred_at", Time, primary_key=True),
    Column("event_type", Text, primary_key=True),
)
"""What happened to a workflow as a whole; its tasks have events of their own."""
