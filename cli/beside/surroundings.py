"""What stands in the environment for the app and must not reach our own processes.

Celery itself puts the current folder first on the path of every process that has DJANGO_SETTINGS_MODULE, and our
processes have packages named `tasks` and `api`, as many apps do. The app's reader and workers get all of it.
"""

import os
import site
from pathlib import Path

from cli.beside.app import OWN_ROOT

PREFIX = "CELERY_"
NAMES = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")


def leave_app_variables() -> dict[str, str]:
    """Return the environment as it was; from now on this process and its children have it without the app's part."""
    whole = dict(os.environ)
    for name in whole:
        if name.startswith(PREFIX) or name in NAMES:
            del os.environ[name]
    if not _is_installed():
        os.environ["PYTHONPATH"] = os.pathsep.join((str(OWN_ROOT), str(OWN_ROOT / "workers")))
    return whole


def _is_installed() -> bool:
    """Or else we run from a clone, which is named to our children whatever else is installed."""
    return OWN_ROOT in {Path(place).resolve() for place in site.getsitepackages()}
