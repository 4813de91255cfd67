"""The tables of API keys and of requests that had none, in the same metadata as the others."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY

from store.tables.base import Time, metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary),
    Column("previous_expires_at", Time),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("task_names", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False),
    Column("rate_limit_per_minute", Integer),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Time),
    Column("disabled_at", Time),
    Column("revoked_at", Time),
    Column("last_used_at", Time),
    Column("last_used_from", Text),
)
"""`secret_hash` is the SHA-256 of the whole key; `previous_hash` that of the key before a rotation, which opens until
`previous_expires_at`. Rows stay when a key is revoked. `queues` and `task_names` are for limits that no version
enforces yet: a version that does not know them refuses a key that has any. `created_by` is the id of a principal,
`last_used_at` the time of the first use in the minute of the last one, and never before `created_at`.
"""

turned_away = Table(
    "turned_away",
    metadata,
    Column("minute", Time, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("latest_at", Time, nullable=False),
    Column("latest_from", Text, nullable=False),
)
"""How many requests of a minute were refused for want of a valid key, and the latest of them; a day of them is kept."""
