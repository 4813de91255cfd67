"""Alerts: the conditions that raise them, and the rules that people set."""
