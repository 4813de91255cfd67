"""Answers with many rows: pages, cursors and exports."""
