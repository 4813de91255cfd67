"""The tables of workers, in the same metadata as the others."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.tables.base import Time, metadata

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Uuid, primary_key=True),
    Column("node", Text, nullable=False, unique=True),
    Column("capacity", Integer),
    Column("registered_at", Time),
    Column("first_seen_at", Time),
    Column("last_heartbeat_at", Time),
    Column("last_event_at", Time),
    Column("online_at", Time),
    Column("goodbye_at", Time),
    Column("pid", BigInteger),
    Column("active", Integer),
    Column("processed", BigInteger),
    Column("load_average", ARRAY(Double)),
    Column("software", Text),
    Column("kept", Boolean, nullable=False, server_default="false"),
    Column("pool", Text),
    Column("concurrency", Integer),
    Column("prefetch_count", Integer),
    Column("queues", ARRAY(Text)),
    Column("plugin", Text),
    Column("priority_steps", ARRAY(Integer)),
    Column("described_at", Time),
    Column("described_pid", BigInteger),
    Column("want_paused", Boolean),
    Column("drain_started_at", Time),
    Column("drain_deadline_at", Time),
    Column("drain_shutdown_at", Time),
    Column("drain_finished_at", Time),
    Column("drain_goodbye_at", Time),
    Column("drain_remaining", ARRAY(Text)),
    Column("resize_target", Integer),
    Column("resize_at", Time),
    Column("resize_pid", BigInteger),
    Column("is_paused", Boolean),
    Column("consuming", ARRAY(Text)),
    Column("taken_on", JSONB(none_as_null=True)),
    Column("autoscales", Boolean, nullable=False, server_default="false"),
    Column("protocol", Integer),
    Column("capabilities", ARRAY(Text)),
    Column("seen_at", Time),
    Column("heartbeat_seconds", Double),
    Column("events", Boolean),
    Column("events_asked_at", Time),
    Column("events_asked_pid", BigInteger),
    Column("task_event_at", Time),
    Column("started_before", BigInteger),
    Column("counted_at", Time),
    Column("asked_at", Time),
    Column("unanswered", Integer, nullable=False, server_default="0"),
    Column("unreadable", Text),
    Column("broker_options", JSONB(none_as_null=True)),
    Column("clock", BigInteger),
    Column("other_life_at", Time),
    Column("starts", ARRAY(Time)),
    Column("goodbyes", ARRAY(Time)),
    Column("told_online", Boolean, nullable=False, server_default="false"),
    Column("change_count", Integer, nullable=False, server_default="0"),
)
"""`last_heartbeat_at` is our receipt time and judges liveness, as does `seen_at` of every other sign of life: a task's
event, an answer, a connection to the control channel; `last_event_at`, `online_at`, `goodbye_at` and
`drain_goodbye_at` (the last goodbye before the drain) are the node's own clock and are compared only with each other.
`queues` are the node's own, also while it is held back; `consuming` is what it fetches from at this moment.
`taken_on` has those queues that it was told to consume because nobody did, each with when (ours).
`events` is whether it tells of its tasks, `task_event_at` when it last did (ours), `started_before` how many it had
started at `counted_at`. `unanswered` counts our questions since the last answer; the latest was at `asked_at`.
`other_life_at`, our receipt time, is when another process of this name was last heard: its predecessor, or its twin;
`clock` is the logical one of the latest. `starts` and `goodbyes` have the latest 20 `online_at` and `goodbye_at`.
`told_online` is what the feed has told of it last."""

registered_tasks = Table(
    "registered_tasks",
    metadata,
    Column("node", Text, primary_key=True),
    Column("task_name", Text, primary_key=True),
    Column("seen_at", Time, nullable=False),
    Column("acks_late", Boolean),
    Column("max_retries", Integer),
    Index("registered_tasks_name", "task_name", "seen_at"),
)
