"""Sending notifications: Apprise in a process of its own, and what we say to it."""
