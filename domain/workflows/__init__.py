"""Workflows: their definition, their graph, and the rules by which they go on."""
