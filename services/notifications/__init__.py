"""Notifications: what administrators do with channels and routes, and how messages are planned and delivered."""
