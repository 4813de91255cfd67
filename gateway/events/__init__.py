"""Celery's events: where they come from, and the thread that hears them."""
