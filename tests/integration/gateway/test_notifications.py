"""What the process that Apprise runs in may not do, whatever the URL of a channel asks for."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from psutil import Process

from domain.errors import InvalidRequest
from domain.notifications.delivery import Attempt, Outcome
from domain.notifications.messages import Text, Tone
from gateway.notifications.child import NotAllowed, refuse_what_is_not_allowed
from gateway.notifications.sender import Sender
from services.notifications.channels import check_url
from tests.notified import HttpReceiver, receiving_http, receiving_mail

TEXT = Text("Title", "Body", Tone.WARNING)
LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    with receiving_http() as receiver:
        yield receiver


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Sender(LOOPBACK) as sender:
        yield sender


async def test_a_redirect_is_not_followed_even_if_the_url_asks_for_it(sender: Sender, web: HttpReceiver) -> None:
    web.status, web.location = 307, f"http://127.0.0.1:{web.port}/elsewhere"
    attempt = await sender.send(f"json://127.0.0.1:{web.port}/here?redirect=yes", TEXT)
    assert attempt == Attempt(Outcome.REFUSED, 307)
    assert web.paths == ["/here"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1"])
async def test_every_spelling_of_an_address_is_judged_by_what_is_dialled(web: HttpReceiver, host: str) -> None:
    async with Sender([]) as sender:
        attempt = await sender.send(f"json://{host}:{web.port}/", TEXT)
    assert attempt.outcome in (Outcome.NOT_ALLOWED, Outcome.INVALID)
    assert web.bodies == []


async def test_mail_is_judged_as_everything_is() -> None:
    async with receiving_mail() as mail, Sender([]) as sender:
        assert (await sender.send(mail.channel, TEXT)).outcome is Outcome.NOT_ALLOWED
        assert mail.mails == []


async def test_the_code_of_a_mail_server_that_refuses_is_told(sender: Sender) -> None:
    async with receiving_mail() as mail:
        mail.answer = "552 Too much"
        assert await sender.send(mail.channel, TEXT) == Attempt(Outcome.REFUSED, 552)


async def test_no_process_is_left_when_a_url_is_refused(sender: Sender) -> None:
    before = Process().children()
    with pytest.raises(InvalidRequest):
        async with sender.resting():
            await check_url(sender, "pagerduty://secret")
    assert Process().children() == before


FORBIDDEN: list[tuple[str, tuple[object, ...]]] = [
    ("open", ("/etc/passwd", "r", os.O_RDONLY)),
    ("open", ("/etc/ssl/../passwd", "r", os.O_RDONLY)),
    ("open", (os.__file__, "a", os.O_WRONLY | os.O_APPEND)),
    ("subprocess.Popen", ("sh",)),
    ("os.system", ("sh",)),
    ("socket.connect", (None, "/run/systemd/journal/socket")),
    ("socket.connect", (None, ("10.0.0.1", 25))),
    ("socket.connect", (None, ("example.com", 25))),
    ("socket.sendto", (None, ("169.254.169.254", 514))),
]


@pytest.mark.parametrize(("event", "arguments"), FORBIDDEN)
def test_files_programs_and_other_sockets_are_refused(event: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(NotAllowed):
        refuse_what_is_not_allowed(event, arguments)


ALLOWED: list[tuple[str, tuple[object, ...]]] = [
    ("open", (os.__file__, "r", os.O_RDONLY)),
    ("open", (os.devnull, "w", os.O_WRONLY)),
    ("open", (3, "r", os.O_RDONLY)),
    ("socket.connect", (None, ("8.8.8.8", 443))),
]


def is_refused(event: str, arguments: tuple[object, ...]) -> bool:
    try:
        refuse_what_is_not_allowed(event, arguments)
    except NotAllowed:
        return True
    return False


@pytest.mark.parametrize(("event", "arguments"), ALLOWED)
def test_modules_nothing_and_public_addresses_are_let_through(event: str, arguments: tuple[object, ...]) -> None:
    assert not is_refused(event, arguments)


async def test_what_does_not_speak_tls_or_is_not_there_is_told_apart(sender: Sender, web: HttpReceiver) -> None:
    assert (await sender.send(f"jsons://127.0.0.1:{web.port}/", TEXT)).outcome is Outcome.TLS
    assert (await sender.send("json://127.0.0.1:1/", TEXT)).outcome is Outcome.UNREACHABLE
    # The process outlives all of that.
    assert (await sender.send(web.channel, TEXT)).outcome is Outcome.DELIVERED
