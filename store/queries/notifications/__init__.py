"""Notifications in Postgres: channels, routes, what was told, and messages."""
