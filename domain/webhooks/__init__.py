"""Webhooks: what somebody is told of, where it goes, and what becomes of a delivery."""
