"""Workflows: what people do with them, how they go on, and what they answer."""
