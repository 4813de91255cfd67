"""`celeriac flower`: Flower on the same broker, beside us and not behind us."""

import ipaddress
import os
from pkgutil import resolve_name

from cli.configuration import read_settings, require_urls
from cli.errors import CliError


def command() -> None:
    settings = read_settings()
    require_urls(settings, "broker_url")
    if not settings.flower_port:
        raise CliError("CELERIAC_FLOWER_PORT is 0, which means no Flower.")
    # Flower's API answers 401 until authentication is configured. On loopback everyone who could ask
    # could also read the broker; on any other address the person who opens it must decide.
    if _is_loopback(settings.host):
        os.environ.setdefault("FLOWER_UNAUTHENTICATED_API", "true")
    app = resolve_name("tasks.app:app")
    app.start(["flower", f"--address={settings.host}", f"--port={settings.flower_port}"])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
