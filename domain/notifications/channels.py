"""Channels: through which services somebody is notified, and what is shown of a channel's URL, which is a secret.

A URL is one of Apprise's. Only the services of `HOSTS` are taken: each of them talks over the network to somebody
else, none runs a program, writes a file or reaches this machine's own desktop or log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

MAX_CHANNELS = 100
MAX_NAME = 100
MAX_URL = 2_000

IN_URL = None
"""The host stands in the URL."""
NTFY = "ntfy.sh"
HOSTS: Mapping[str, str | None] = MappingProxyType(
    {
        "mailto": IN_URL,
        "mailtos": IN_URL,
        "json": IN_URL,
        "jsons": IN_URL,
        "form": IN_URL,
        "forms": IN_URL,
        "xml": IN_URL,
        "xmls": IN_URL,
        "ntfy": IN_URL,
        "ntfys": IN_URL,
        "gotify": IN_URL,
        "gotifys": IN_URL,
        "mmost": IN_URL,
        "mmosts": IN_URL,
        "rocket": IN_URL,
        "rockets": IN_URL,
        "apprise": IN_URL,
        "apprises": IN_URL,
        "workflows": IN_URL,
        "slack": "slack.com",
        "discord": "discord.com",
        "tgram": "api.telegram.org",
        "gchat": "chat.googleapis.com",
        "webex": "webexapis.com",
        "zulip": "zulipchat.com",
        "pover": "api.pushover.net",
        "pagerduty": "pagerduty.com",
        "opsgenie": "opsgenie.com",
        "victorops": "alert.victorops.com",
        "signl4": "connect.signl4.com",
        "squadcast": "squadcast.com",
        "ilert": "api.ilert.com",
        "incidentio": "api.incident.io",
        "betterstack": "betterstack.com",
        "firehydrant": "signals.firehydrant.com",
        "pagertree": "api.pagertree.com",
        "twilio": "api.twilio.com",
    }
)
"""The scheme of each service that is taken, and its host. What stands there in a URL of a fixed host is a secret."""

_SCHEME = re.compile(r"([a-z0-9]{1,20})://(.+)", re.DOTALL)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")


@dataclass(frozen=True, slots=True)
class Destination:
    """The end of a channel, without what is secret in its URL."""

    scheme: str
    host: str

    @property
    def shown(self) -> str:
        """What is shown in the place of the URL."""
        return f"{self.scheme}://{self.host}/***"


def parse_url(url: str) -> Destination:
    """Return where this leads. Raises ValueError, which shows nothing of the URL but a scheme that is refused."""
    if len(url) > MAX_URL:
        raise ValueError(f"is longer than {MAX_URL:,} characters")
    if _BLANK.search(url):
        raise ValueError("holds blanks or control characters: write them as %20")
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise ValueError("is no URL of Apprise, such as mailtos://user:password@example.com")
    scheme = match[1]
    if scheme not in HOSTS:
        raise ValueError(f"is of a service that is not taken: {scheme}; taken are {', '.join(HOSTS)}")
    host = HOSTS[scheme]
    return Destination(scheme, host if host is not IN_URL else _host_in(url))


def _host_in(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, SplitResult("", "", "", "", "")
    if not _HOST.fullmatch(host):
        raise ValueError("names no host; what is special in a user or a password is written as %40, %2F and so on")
    if "@" in parts.path and "@" not in parts.netloc:
        raise ValueError("has an @ behind its host alone; a / in a user or a password is written as %2F")
    if parts.scheme.startswith("ntfy") and not parts.path.strip("/"):
        return NTFY
    return host if port is None else f"{host}:{port}"
