"""The plugin's version, that of what it says to Celeriac, and which releases of Celery it was tried with."""

__version__ = "0.1.0"
PROTOCOL = 1
"""Raised when Celeriac has to treat this worker differently than before."""
OLDEST_PROTOCOL = 1
"""Of a Celeriac that was left behind, whose orders this plugin still obeys and whose questions it still answers."""
TRIED = ((5, 3), (5, 7))
"""The oldest and the newest."""
