"""Answers that do not end: the feed as server-sent events."""
