"""Workflows, as stored: whole documents, their steps, and how they go on."""
