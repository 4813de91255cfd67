"""Webhooks in PostgreSQL: what they are, what they are to be told, and what became of it."""
