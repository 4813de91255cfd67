"""Installs the plugin without a change of the app: `celery -A proj worker -E -I celeriac_worker.auto`.

A worker imports the modules of `-I` before it makes its steps, which is early enough for all that the plugin adds.
"""

from celery._state import get_current_app

from celeriac_worker import install

install(get_current_app())
