"""The tables of webhooks: where somebody wants to be told, what he is to be told, and every attempt to tell him."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from store.tables.base import Time, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("filters", JSON, nullable=False),
    Column("payload", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("ordering", Text, nullable=False),
    Column("rate_per_second", Integer),
    Column("max_in_flight", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_expires_at", Time),
    Column("state", Text, nullable=False),
    Column("disabled_at", Time),
    Column("disabled_because", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", Time),
    Column("held_until", Time),
    Column("paced_until", Time),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("created_by", Text, nullable=False),
)
"""`headers`, a JSON object, and the secrets are encrypted where there are keys. `previous_secret` signs as well until
`previous_expires_at`. `failures` to `held_until` are the circuit (`domain/webhooks/circuit.py`); until `paced_until`
the rate is used up. Rows in the state DELETED go once their deliveries have gone.
"""

webhook_cursors = Table(
    "webhook_cursors",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
)
"""Up to where the feed has become deliveries of a webhook. Apart from `webhooks`, so that who fans out and who delivers
do not wait for each other.
"""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("xact", BigInteger, nullable=False),
    Column("change_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("next_attempt_at", Time),
    Column("leased_until", Time),
    Column("done_at", Time),
    Column("last_status_code", Integer),
    Column("last_error", Text),
    UniqueConstraint("webhook_id", "event_id", name="webhook_deliveries_once"),
    Index("webhook_deliveries_listed", "webhook_id", "created_at", "delivery_id"),
    Index("webhook_deliveries_old", "created_at"),
)
"""One row for each webhook and change that it wants. `body` is what is signed, encrypted where there are keys. A
process that delivers has a row until `leased_until`, and the status stays PENDING; `xact` and `change_id` are the place
of the change in the feed.
"""
_is_pending = text("status = 'PENDING'")
Index(
    "webhook_deliveries_due",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.next_attempt_at,
    postgresql_where=_is_pending,
)
Index(
    "webhook_deliveries_in_order",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.subject_id,
    webhook_deliveries.c.xact,
    webhook_deliveries.c.change_id,
    postgresql_where=_is_pending,
)
Index(
    "webhook_deliveries_leased",
    webhook_deliveries.c.webhook_id,
    postgresql_where=text("leased_until IS NOT NULL"),
)
Index(
    "webhook_deliveries_tests",
    webhook_deliveries.c.created_at,
    postgresql_where=text("is_test AND status = 'PENDING'"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("attempt_no", Integer, primary_key=True, autoincrement=False),
    Column("at", Time, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
    Column("answer", Text, nullable=False),
)
"""What was answered to each attempt, its beginning, encrypted where there are keys."""
