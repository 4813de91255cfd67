"""Drills: promises of this system, each held against a running one by a program that says whether it is kept."""
