"""The tables of full-text search, and filters that clients saved."""

from sqlalchemy import JSON, Column, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import TSVECTOR

from store.tables.base import Time, metadata

task_search = Table(
    "task_search",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("document", TSVECTOR, nullable=False),
    Index("task_search_document", "document", postgresql_using="gin"),
)
"""What full-text search looks at (`services/search_index.py`)."""

search_queue = Table("search_queue", metadata, Column("task_id", Text, nullable=False))
"""Tasks whose document is missing or no longer true; `loops/search_index.py` empties it. An id may stand here often."""

search_presets = Table(
    "search_presets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
)
