"""The table of sessions, in the same metadata as the others."""

from sqlalchemy import Column, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.base import Time, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("session_hash", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("principal", JSONB, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("seen_at", Time, nullable=False, server_default=func.now()),
    Column("expires_at", Time, nullable=False),
    Column("user_agent", Text),
    Column("address", Text),
)
"""`session_hash` is the SHA-256 of the text in the browser's cookie. `owner` is the label of whoever signed in, and
`principal` all that is known of him; for a key of the environment without anything that would help to guess it.
`seen_at` is the beginning of a minute. Rows go when a session ends.
"""
