"""The plugin's version and that of what it says to Celeriac."""

__version__ = "0.1.0"
PROTOCOL = 1
"""Raised when Celeriac has to treat this worker differently than before."""
