"""Postgres: tables, queries, migrations. The only room that knows SQL."""
