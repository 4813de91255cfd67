"""`celeriac flower`: Flower on the same broker, beside us and not behind us, with a door of its own.

Flower shows arguments, runs tasks and stops workers. It is never served without a login, whoever started it and from
where; pages of other sites and other host names are refused as by our API.
"""

import os
import sys
from functools import partial
from pkgutil import resolve_name
from typing import Any

import flower.command
from flower.app import Flower
from flower.options import options as flower_options
from flower.views.monitor import Metrics
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

from cli.configuration import read_settings, require_urls
from cli.errors import CliError
from cli.flower_login import check_logins_of_flower, kept_login, password_file
from domain.origins import OriginRefusal, OwnOrigins, own_origins
from settings import Settings

OPEN_API = "FLOWER_UNAUTHENTICATED_API"
STATUS = {OriginRefusal.MALFORMED: 400, OriginRefusal.FOREIGN_PAGE: 403, OriginRefusal.UNKNOWN_HOST: 421}
HEADERS = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    # Not `no-referrer`, with which browsers hide the origin of a form that Flower then refuses.
    "Referrer-Policy": "same-origin",
}


def command() -> None:
    """Run Flower with our logins, on the port of the settings."""
    settings = read_settings()
    require_urls(settings, "broker_url")
    if not settings.flower_port:
        raise CliError("CELERIAC_FLOWER_PORT is 0, which means no Flower.")
    if os.environ.pop(OPEN_API, None):
        # With it, and no login, every page that a browser here visits may run tasks.
        print(f"celeriac: {OPEN_API} is not obeyed; clients of Flower's API log in.", file=sys.stderr)
    # Flower's command reads its variables, its file and its options, and then makes its application by this name.
    flower.command.Flower = partial(ClosedFlower, settings)
    app = resolve_name("tasks.app:app")
    app.start(["flower", f"--address={settings.host}", f"--port={settings.flower_port}"])


class ClosedFlower(Flower):  # type: ignore[misc]  # Flower has no types
    """Asks for a login at every page of Flower, and holds the rules of `domain/origins.py` before it."""

    def __init__(self, settings: Settings, **given: Any) -> None:
        decide_logins(settings)
        super().__init__(**given)
        self._own: OwnOrigins = own_origins(settings.host, settings.allowed_hosts)
        self.add_transform(TellBrowsersToBeStrict)
        prefix = f"/{flower_options.url_prefix.strip('/')}" if flower_options.url_prefix else ""
        # Before Flower's own route, which shows names of workers and tasks to everybody.
        self.add_handlers(".*", [(f"{prefix}/metrics", MetricsBehindLogin)])

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        told = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.get_all()]
        refusal = self._own.refusal(request.method or "", told)
        if refusal is None:
            return super().find_handler(request, **options)
        return self.get_handler_delegate(request, Refuse, {"status": STATUS[refusal]})


def decide_logins(settings: Settings) -> None:
    """Choose logins once Flower has read its own: our setting, or else what it was told, or else one that is kept here.

    A login besides OAuth (`FLOWER_AUTH`) would be asked for as well.
    """
    if settings.flower_basic_auth:
        flower_options.basic_auth = list(settings.flower_basic_auth)
    elif not (flower_options.basic_auth or flower_options.auth):
        flower_options.basic_auth = [kept_login(settings.data)]
        print(f"celeriac: the password of Flower is in {password_file(settings.data)}", file=sys.stderr)
    check_logins_of_flower(flower_options.basic_auth or ())


class MetricsBehindLogin(Metrics):  # type: ignore[misc]  # Flower has no types
    """Answers Prometheus with `basic_auth`. With OAuth alone it stays open: no scraper can pass that."""

    def prepare(self) -> None:
        if self.application.options.basic_auth:
            self.get_current_user()  # raises the 401


class Refuse(RequestHandler):
    """Answers whatever it is asked with a status and no more."""

    def initialize(self, status: int) -> None:
        self._refusal = status

    def prepare(self) -> None:
        self.set_status(self._refusal)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("Refused: sent by a page of another site, or to a host that is not in CELERIAC_ALLOWED_HOSTS.\n")

    def check_xsrf_cookie(self) -> None:
        """Check nothing: nothing is done that a cookie would have to protect."""


class TellBrowsersToBeStrict(OutputTransform):
    """Adds headers to every answer, static files and errors included, as no handler of Flower's own could."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in HEADERS.items():
            headers[name] = value
        return super().transform_first_chunk(status_code, headers, chunk, finishing)
