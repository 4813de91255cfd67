"""Notifications: which alerts are told through which channels, when, in which words, and how often it is tried."""
