"""Workflows as REST shows and takes them."""
