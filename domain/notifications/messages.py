"""What a notification says: what is wrong first, in plain words; then each alert in a line, and where to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.alerts.rules import Severity
from domain.notifications.routes import SEVERITIES, Notice, Phase

MAX_TITLE = 200
MAX_DESCRIPTION = 500
MAX_SUBJECT = 200
MAX_BODY = 20_000
CUT = "..."
ALERTS_PATH = "/api/v1/alerts"


class Tone(StrEnum):
    """How a service shows the message, in Apprise's words."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


_TONES = {Severity.INFO: Tone.INFO, Severity.WARNING: Tone.WARNING, Severity.CRITICAL: Tone.FAILURE}


@dataclass(frozen=True, slots=True)
class Text:
    """A message as people read it."""

    title: str
    body: str
    kind: Tone


def write_message(notices: Sequence[Notice], public_url: str | None) -> Text:
    """Return the text of at least one notice."""
    open_ones = [notice for notice in notices if notice.phase is not Phase.RESOLVED]
    lines = [_line(notice) for notice in notices]
    body = cut("\n".join(lines), most=MAX_BODY) + f"\n\n{_where(public_url)}"
    kind = _TONES[_worst(open_ones)] if open_ones else Tone.SUCCESS
    return Text(cut(_verdict(notices, open_ones), most=MAX_TITLE), body, kind)


def write_test(channel: str, public_url: str | None) -> Text:
    """Return the text of a test of the channel of this name."""
    body = f"Alerts that are routed to the channel {channel} arrive here.\n\n{_where(public_url)}"
    return Text("Test of Celeriac: nothing is wrong", body, Tone.INFO)


def cut(text: str, *, most: int) -> str:
    """Return the text in so many characters at most."""
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def _worst(notices: Sequence[Notice]) -> Severity:
    return max((notice.alert.severity for notice in notices), key=SEVERITIES.index)


def _verdict(notices: Sequence[Notice], open_ones: Sequence[Notice]) -> str:
    if not open_ones:
        only = notices[0].alert.description if len(notices) == 1 else f"{len(notices)} alerts"
        return f"Resolved: {only}"
    worst = _worst(open_ones)
    again = "still " if all(notice.phase is Phase.REPEATED for notice in open_ones) else ""
    over = len(notices) - len(open_ones)
    others = f", {over} resolved" if over else ""
    if len(open_ones) == 1:
        return f"{worst}: {again}{open_ones[0].alert.description}{others}"
    return f"{worst}: {len(open_ones)} alerts {again}open{others}"


def _line(notice: Notice) -> str:
    alert = notice.alert
    subject = f" {cut(alert.subject, most=MAX_SUBJECT)}" if alert.subject else ""
    said = f"{alert.type}{subject}: {cut(alert.description, most=MAX_DESCRIPTION)}"
    began = _time(alert.began_at or alert.created_at)
    if alert.resolved_at is None:
        return f"- {alert.severity} {said} (since {began})"
    return f"- RESOLVED {said} ({began} to {_time(alert.ended_at or alert.resolved_at)})"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _where(public_url: str | None) -> str:
    if public_url is None:
        return f"Look at GET {ALERTS_PATH} of Celeriac (set CELERIAC_PUBLIC_URL to have a link here)."
    return f"{public_url.rstrip('/')}{ALERTS_PATH}"
