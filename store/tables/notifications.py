"""The tables of notifications: channels, routes to them, what was told through them, and the messages themselves."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from store.tables.base import Time, metadata

notification_channels = Table(
    "notification_channels",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("created_by", Text, nullable=False),
    Column("since", Time, nullable=False, server_default=func.now()),
    Column("failing_since", Time),
    Column("last_attempt_at", Time),
    Column("last_outcome", Text),
    Column("last_code", Integer),
    Column("last_delivered_at", Time),
)
"""`url` is a secret, encrypted where there are keys, and `shown` what is shown in its place. `since` is when it was
last switched on, `failing_since` the first failure since the last success.
"""

notification_routes = Table(
    "notification_routes",
    metadata,
    Column("route_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("channel_ids", ARRAY(Uuid), nullable=False),
    Column("severities", ARRAY(Text), nullable=False),
    Column("alert_types", ARRAY(Text), nullable=False),
    Column("subjects", ARRAY(Text), nullable=False),
    Column("group_seconds", Integer, nullable=False),
    Column("repeat_seconds", Integer),
    Column("send_resolved", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("created_by", Text, nullable=False),
    Column("since", Time, nullable=False, server_default=func.now()),
)
"""Ids ascend in the order in which routes were made, which is the order in which they are asked. `since` is when the
route was last changed.
"""

notification_told = Table(
    "notification_told",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("channel_id", Uuid, primary_key=True),
    Column("phase", Text, nullable=False),
    Column("at", Time, nullable=False),
)
"""What was last told of an alert through a channel, written with the message that tells it."""

notification_messages = Table(
    "notification_messages",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("route_id", Uuid, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("next_attempt_at", Time, nullable=False, server_default=func.now()),
    Column("leased_until", Time),
    Column("last_outcome", Text),
    Column("last_code", Integer),
    Column("done_at", Time),
    Index("notification_messages_pending", "next_attempt_at", postgresql_where=text("status = 'PENDING'")),
    Index("notification_messages_done", "done_at", postgresql_where=text("done_at IS NOT NULL")),
    Index("notification_messages_of_channel", "channel_id", "message_id"),
)
"""Ids ascend in the order in which messages were planned. A message whose lease is over is sent again."""
