"""What is known of tasks that are nowhere to be found."""

from sqlalchemy import Column, Table, Text, func

from store.tables.base import Time, metadata

doubts = Table(
    "doubts",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("since", Time, nullable=False, server_default=func.now()),
    Column("doubt", Text, nullable=False),
)
"""Tasks that were handed out and are in no queue, and why they are not sent again (`domain/proofs.py`)."""
