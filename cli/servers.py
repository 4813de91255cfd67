"""Whether the servers that settings name can be used at all: what no waiting mends is said in one sentence.

A server that is not there may come, and is waited for as ever. A certificate, a password or a right that is refused
stays refused, and children would only be restarted over it.
"""

import os
import ssl
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from amqp.exceptions import AccessRefused, NotAllowed
from redis.exceptions import AuthenticationError, NoPermissionError

from cli.configuration import variable
from cli.errors import CliError
from cli.rights import Probe, missing_rights, probes_of
from domain.server_urls import TLS_FILES, is_amqp, is_redis, mask_url, read_url
from gateway.connection import BROKER_ERRORS, blocking_redis_client, connect
from settings import Settings

AGAIN_SECONDS = 1.0
URLS = ("broker_url", "result_url", "redis_url")
_REFUSALS = (ssl.SSLError, AuthenticationError, NoPermissionError, AccessRefused, NotAllowed, ValueError)
_WORDS = ("WRONGPASS", "NOAUTH", "NOPERM", "invalid username-password", "Authentication required", "CERTIFICATE", "SSL")


def refuse_unusable(settings: Settings) -> None:
    """Raise CliError if one of these servers refuses us for good. One that does not answer is not its matter."""
    for name in URLS:
        url = getattr(settings, name)
        if url:
            _refuse(name, url, probes=probes_of(name, settings))


def _refuse(name: str, url: str, *, probes: Sequence[Probe]) -> None:
    """Asked twice: a server that just ends breaks off in the middle of TLS, too."""
    if any(True for _ in reasons_against(url, probes)):
        time.sleep(AGAIN_SECONDS)
        for reason in reasons_against(url, probes):
            raise CliError(f"{variable(name)} ({mask_url(url)}): {reason}")


def reasons_against(url: str, probes: Sequence[Probe] = ()) -> Iterator[str]:
    """Yield sentences about what of this URL stays refused, and which of these rights on a Redis are missing.

    None for a server of another kind, or one that is away.
    """
    if not (is_redis(url) or is_amqp(url)):
        return
    try:
        for name in TLS_FILES:
            file = read_url(url).query.get(name)
            if file and not os.access(Path(file), os.R_OK):
                yield f"the file of {name}, {file}, cannot be read here."
                return
        yield from _greet(url, probes)
    except (*BROKER_ERRORS, ValueError) as error:
        refusal = _refusal_in(error)
        if refusal is not None:
            yield said_of(refusal)


def said_of(error: BaseException) -> str:
    """Return one line in the words of whoever refused, and what to look at."""
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ssl.SSLError) or "SSL" in words or "CERTIFICATE" in words:
        return f"TLS is refused ({words}); see ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_cert_reqs in the URL."
    if isinstance(error, NoPermissionError) or "NOPERM" in words:
        return f"a right is missing ({words}); docs/brokers.md lists those that are needed."
    if isinstance(error, ValueError):
        return f"it {words}."
    return f"we are not let in ({words}); see the user and the password in the URL."


def _greet(url: str, probes: Sequence[Probe]) -> Iterator[str]:
    """One answer of the server. TLS 1.3 refuses a client's certificate only at the first one."""
    if is_amqp(url):
        with connect(url) as connection:
            connection.connect()
        return
    with blocking_redis_client(url) as client:
        client.ping()
        if missing := missing_rights(client, probes):
            yield f"rights are missing ({', '.join(missing)}); docs/brokers.md lists those that are needed."


def _refusal_in(error: BaseException | None) -> BaseException | None:
    """Libraries put errors into one another: the first that is a refusal."""
    while error is not None:
        if isinstance(error, _REFUSALS) or any(word in str(error) for word in _WORDS):
            return error
        error = error.__cause__ or error.__context__
    return None
