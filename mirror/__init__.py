"""Celery's events become rows in Postgres."""
