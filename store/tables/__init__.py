"""The tables of Postgres, as migrations leave them. Whoever imports one has all, so that `base.metadata` is whole."""

from store.tables import (
    alerts,
    api_keys,
    audit,
    base,
    doubts,
    feed,
    notifications,
    rollups,
    search,
    sessions,
    tasks,
    webhooks,
    workers,
    workflows,
)

__all__ = [
    "alerts",
    "api_keys",
    "audit",
    "base",
    "doubts",
    "feed",
    "notifications",
    "rollups",
    "search",
    "sessions",
    "tasks",
    "webhooks",
    "workers",
    "workflows",
]
