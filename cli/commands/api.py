"""`celeriac api`: serves the REST API with uvicorn."""

from pkgutil import resolve_name

import structlog
import uvicorn

from cli.configuration import read_settings, require_urls
from cli.exposure import is_open, refuse_open
from cli.garbage import nothing_goes
from cli.serving import configure_logs

log = structlog.get_logger(__name__)

APP, PROTOCOL = "api.app:create_app", "api.protocol:BoundedProtocol"
GRACEFUL_SECONDS = 8  # below the 10 s after which `up` kills


def command() -> None:
    """Serve the API until SIGTERM or SIGINT."""
    settings = read_settings()
    require_urls(settings, "database_url", "broker_url", "redis_url")
    refuse_open(settings)
    configure_logs(settings)
    if is_open(settings):
        log.warning("access_open", host=settings.host)
    with nothing_goes():
        resolve_name(APP)
        resolve_name(PROTOCOL)
    uvicorn.run(
        APP,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=PROTOCOL,
        ws="none",
        log_config=None,  # ours stands
        access_log=False,
        proxy_headers=False,  # the API itself decides whose X-Forwarded-For it believes
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
