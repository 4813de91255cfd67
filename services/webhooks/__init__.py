"""Webhooks: managing them, making deliveries of changes, and delivering."""
