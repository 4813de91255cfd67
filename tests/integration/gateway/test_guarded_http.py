"""Receivers that lie, drip, pour, hang and redirect: nothing is dialled that must not be, nothing takes for ever."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from domain.webhooks.attempts import Answer, Failure
from domain.webhooks.endpoints import Egress
from domain.webhooks.subscriptions import Subscription
from domain.webhooks.webhook import Webhook
from gateway import guarded_http
from gateway.guarded_http import MAX_ANSWER_BYTES, Guarded, GuardedHttp, NotAllowed, Response
from gateway.webhook_sender import WebhookSender
from tests.patience import until
from tests.receivers import Receiver, Reply, answering, babble, drip, hang, hang_up, pour, receiving

LOOPBACK = (ip_network("127.0.0.1/32"),)
NAME = "hooks.example"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """What the name server answers, one look-up after another; the test gives it."""
    given: list[list[str]] = []
    monkeypatch.setattr(guarded_http, "_ask", lambda _host, _port: given.pop(0))
    yield given
    assert given == [], "a look-up was not made"


async def post(http: GuardedHttp, receiver: Receiver, *, host: str = "127.0.0.1", seconds: float = 10) -> Response:
    url = f"http://{host}:{receiver.port}/hook"
    return await http.post(url, headers=[], content=b"{}", total_seconds=seconds)


async def test_the_address_that_was_judged_is_the_one_that_is_dialled(answers: list[list[str]]) -> None:
    answers += [["127.0.0.1"], ["127.0.0.2"]]
    async with receiving(answering(204, headers="Connection: close\r\n")) as receiver:
        async with GuardedHttp(LOOPBACK) as http:
            assert (await post(http, receiver, host=NAME)).status_code == 204
            with pytest.raises(NotAllowed):
                await post(http, receiver, host=NAME)
        assert receiver.connections == 1
        assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["1.1.1.1", "127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["169.254.169.254"],
        ["fe80::1%lo"],
        ["10.0.0.1"],
        ["100.64.0.1"],
        [],
        [f"1.1.1.{number}" for number in range(65)],
    ],
)
async def test_a_name_of_which_one_address_may_not_be_dialled_is_not(
    answers: list[list[str]], addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dial(*_: object, **__: object) -> None:
        raise AssertionError("dialled")

    guard = Guarded()
    monkeypatch.setattr(guard._backend, "connect_tcp", dial)
    answers.append(addresses)
    with pytest.raises(NotAllowed):
        await guard.connect_tcp(NAME, 443)
    guard.close()


async def test_a_redirect_is_an_answer_and_leads_nowhere() -> None:
    async with receiving(answering(302, headers="Location: http://169.254.169.254/latest\r\n")) as receiver:
        async with GuardedHttp(LOOPBACK) as http:
            assert (await post(http, receiver)).status_code == 302
        assert len(receiver.received) == 1


async def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    async with receiving(pour) as receiver, GuardedHttp(LOOPBACK) as http:
        assert len((await post(http, receiver)).body) == MAX_ANSWER_BYTES


@pytest.mark.parametrize("reply", [hang, drip])
async def test_whoever_does_not_end_is_left_after_the_time(reply: Reply) -> None:
    async with receiving(reply) as receiver, GuardedHttp(LOOPBACK) as http:
        with pytest.raises(TimeoutError):
            await post(http, receiver, seconds=0.2)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with GuardedHttp(LOOPBACK) as http:
            await post(http, receiver)
        assert (len(proxy.received), len(receiver.received)) == (0, 1)


async def test_a_proxy_that_was_named_is(answers: list[list[str]]) -> None:
    async with receiving() as proxy:
        async with GuardedHttp(proxy=f"http://127.0.0.1:{proxy.port}") as http:
            assert (await http.post("http://hooks.example/", headers=[], content=b"")).status_code == 204
        assert proxy.received[0].headers["host"] == NAME
    assert answers == []


def webhook_to(url: str) -> Webhook:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return Webhook("one", url, Subscription(("*",)), secret, datetime(2026, 3, 1, tzinfo=UTC), "local")


async def send(url: str, *, allowed: Egress) -> Answer:
    async with GuardedHttp(allowed.networks) as http:
        return await WebhookSender(http, allowed).send(webhook_to(url), event_id="evt_1", body="{}")


@pytest.mark.parametrize(
    ("reply", "failure"), [(hang_up, Failure.PROTOCOL), (babble, Failure.PROTOCOL)], ids=["hang up", "babble"]
)
async def test_what_went_wrong_is_told_as_a_category(reply: Reply, failure: Failure) -> None:
    async with receiving(reply) as receiver:
        answer = await send(receiver.url, allowed=Egress(True, LOOPBACK))
    assert answer == Answer(failure=failure)


async def test_nobody_there_and_no_tls_are_told_apart_from_what_is_not_allowed() -> None:
    allowed = Egress(True, LOOPBACK)

    async def speak_first(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await babble(writer)
        writer.close()

    server = await asyncio.start_server(speak_first, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        assert (await send(url.replace("http", "https"), allowed=allowed)).failure is Failure.TLS
        assert (await send(url, allowed=Egress(True))).failure is Failure.NOT_ALLOWED
        assert (await send(url, allowed=Egress(False, LOOPBACK))).failure is Failure.NOT_ALLOWED
    assert (await send(url, allowed=allowed)).failure is Failure.REFUSED


async def test_an_answer_is_kept_as_text_that_can_be_stored() -> None:
    async with receiving(answering(503, headers="Retry-After: 60\r\n", body="a\x00b" + "c" * 9_000)) as receiver:
        answer = await send(receiver.url, allowed=Egress(True, LOOPBACK))
    assert (answer.status_code, len(answer.body)) == (503, 4_096)
    assert answer.body.startswith("a\N{REPLACEMENT CHARACTER}bc")
    assert answer.retry_after is not None


async def test_one_name_is_asked_for_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    loop, go_on = asyncio.get_running_loop(), asyncio.Event()

    def ask(host: str, _port: int) -> list[str]:
        asked.append(host)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return ["127.0.0.1"]

    monkeypatch.setattr(guarded_http, "_ask", ask)
    async with receiving() as receiver, GuardedHttp(LOOPBACK) as http:
        posts = [asyncio.ensure_future(post(http, receiver, host=NAME)) for _ in range(5)]
        await until(lambda: asked, "the name is asked for")
        go_on.set()
        await asyncio.gather(*posts)
    assert asked == [NAME]
