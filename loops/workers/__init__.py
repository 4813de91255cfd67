"""Loops that keep what is known and wished of workers true."""
