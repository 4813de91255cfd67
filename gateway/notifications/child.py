"""The process that Apprise sends from: a job in JSON on a line of stdin, and what became of it on a line of stdout.

Whoever writes the URL of a channel chooses what Apprise does. So this process can do nothing else: it holds no secret
but that URL, connects only to addresses that are allowed, starts no program, writes no file and reads none but its own
modules and certificates; its memory is bounded, and its parent ends it when it takes too long. Connections are judged
where the interpreter makes them, by the address that is dialled, so no redirect and no second look-up of a name leads
around it. What a service answers stays here, but for the code.
"""

import json
import logging
import mimetypes
import os
import resource
import smtplib
import ssl
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import apprise
import certifi
import requests

from domain.notifications.delivery import Outcome
from domain.reach import Network, judge_address, parse_allowed

MEMORY_BYTES = 1024**3
FIRST_BAD_STATUS = 300
FIRST_BAD_REPLY = 400
_DIALS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NOTHING = "/dev/null"


class NotAllowed(OSError):
    """This process may not do that."""


@dataclass
class Seen:
    """What was seen of the job at hand, beside what Apprise says of it."""

    allowed: tuple[Network, ...] = ()
    outcome: Outcome | None = None
    code: int | None = None


_seen = Seen()


def main() -> None:
    """Do one job after another, until stdin ends."""
    answers = _take_stdout()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _watch_http()
    _watch_smtp()
    apprise.Apprise.instantiate("json://localhost")  # reads the modules of all services
    _limit_memory()
    sys.addaudithook(refuse_what_is_not_allowed)
    for line in sys.stdin:
        answers.write(json.dumps(_do(json.loads(line))) + "\n")
        answers.flush()


def _take_stdout() -> TextIO:
    """Return where answers go; whatever else is printed goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    nothing = os.open(NOTHING, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    return answers


def _limit_memory() -> None:
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS has no bound of addresses
            continue


def _do(job: Mapping[str, Any]) -> dict[str, Any]:
    """Check or send, and return the outcome with the code that was answered."""
    global _seen
    _seen = Seen(parse_allowed(job["allowed"]))
    try:
        outcome = _send(job)
    except Exception:  # of Apprise or of a service's module: its text may hold what is secret
        outcome = _seen.outcome or Outcome.FAILED
    return {"outcome": outcome.value, "code": _seen.code if outcome is Outcome.REFUSED else None}


def _send(job: Mapping[str, Any]) -> Outcome:
    asset = apprise.AppriseAsset(
        app_id="Celeriac",
        app_desc="Celeriac",
        app_url="",
        async_mode=False,
        http_redirects=False,
        allow_templates=False,
        image_path_mask=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
    )
    service = apprise.Apprise.instantiate(job["url"], asset=asset)
    if service is None:
        return Outcome.INVALID
    if job.get("text") is None:
        return Outcome.DELIVERED
    service.redirects = False  # a URL may ask for them
    text = job["text"]
    sent = service.notify(
        title=text["title"], body=text["body"], notify_type=text["kind"], body_format=apprise.NotifyFormat.TEXT
    )
    if sent:
        return Outcome.DELIVERED
    return (_seen.outcome or Outcome.FAILED) if _seen.code is None else Outcome.REFUSED


def refuse_what_is_not_allowed(event: str, arguments: tuple[Any, ...]) -> None:
    """Look at everything that the interpreter is about to do (PEP 578)."""
    if event in _DIALS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else ""
        if not isinstance(host, str) or not judge_address(host, _seen.allowed).may_be_dialled:
            _seen.outcome = Outcome.NOT_ALLOWED
            raise NotAllowed("address")
    elif event in _PROGRAMS:
        raise NotAllowed("program")
    elif event == "open" and not _may_open(arguments[0], arguments[2]):
        raise NotAllowed("file")


def _may_open(path: object, flags: int) -> bool:
    if isinstance(path, int) or path == NOTHING:
        return True
    if flags & _WRITES or not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.realpath(os.fsdecode(path)).startswith(_READABLE)


def _readable() -> tuple[str, ...]:
    """The beginnings of all paths that may be read: modules, certificates, time zones, types of files."""
    verify = ssl.get_default_verify_paths()
    named = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"))
    folders = (*sys.path, sys.prefix, sys.base_prefix, "/usr/share/zoneinfo", "/etc/ssl", "/etc/pki")
    files = (certifi.where(), verify.cafile, verify.capath, *named, *mimetypes.knownfiles, "/etc/localtime")
    own = tuple(str(Path(folder).resolve()) + os.sep for folder in folders if folder)
    return own + tuple(str(Path(file).resolve()) for file in files if file)


_READABLE = _readable()


def _watch_http() -> None:
    """Note the status of each answer, or why there is none."""
    send = requests.Session.send

    def watched(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        session.trust_env = False
        try:
            answer = send(session, request, **options)
        except requests.exceptions.SSLError:
            _note(Outcome.TLS)
            raise
        except requests.exceptions.Timeout:
            _note(Outcome.TIMEOUT)
            raise
        except requests.exceptions.ConnectionError:
            _note(Outcome.UNREACHABLE)
            raise
        if answer.status_code >= FIRST_BAD_STATUS:
            _seen.code = answer.status_code
        return answer

    requests.Session.send = watched  # type: ignore[assignment, method-assign]


def _watch_smtp() -> None:
    """Note the code of each reply that refuses, or why there is none."""
    connect, getreply = smtplib.SMTP.connect, smtplib.SMTP.getreply

    def watched_connect(smtp: smtplib.SMTP, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        return _noting(lambda: connect(smtp, *arguments, **options))

    def watched_getreply(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        code, text = _noting(lambda: getreply(smtp))
        if code >= FIRST_BAD_REPLY:
            _seen.code = code
        return code, text

    smtplib.SMTP.connect = watched_connect  # type: ignore[assignment, method-assign]
    smtplib.SMTP.getreply = watched_getreply  # type: ignore[assignment, method-assign]


def _noting(talk: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    try:
        return talk()
    except ssl.SSLError:
        _note(Outcome.TLS)
        raise
    except TimeoutError:
        _note(Outcome.TIMEOUT)
        raise
    except OSError:
        _note(Outcome.UNREACHABLE)
        raise


def _note(outcome: Outcome) -> None:
    """Note why nothing was answered; that an address was refused is why all else failed."""
    if _seen.outcome is not Outcome.NOT_ALLOWED:
        _seen.outcome = outcome


if __name__ == "__main__":
    main()
