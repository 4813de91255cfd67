"""Cancels, from the wish to the proof."""
