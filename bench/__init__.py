"""Measurements side by side: what this system does a second, next to what it is built on and competes with."""
