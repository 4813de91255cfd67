"""The plugin's version, that of what it says to Celeriac, and which releases of Celery it was tried with."""

__version__ = "0.1.0"
PROTOCOL = 1
"""The version of what the plugin says, raised when Celeriac has to treat this worker differently than before."""
OLDEST_PROTOCOL = 1
"""The protocol of a Celeriac that was left behind, whose orders and questions this plugin still obeys and answers."""
TRIED = ((5, 3), (5, 7))
"""The oldest and the newest release of Celery that were tried."""
