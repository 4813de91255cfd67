"""Tokens, checked against the keys of a real issuer on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from domain.errors import IssuerUnavailable
from domain.oidc import OidcRules
from domain.scopes import Scope
from gateway.oidc import IssuerServer
from services.resident import issuer as issuer_module
from services.resident.issuer import Issuer, TokenRefused
from tests.oidc_issuer import AUDIENCE, CLIENT_ID, OpenIdServer, open_id_server

SCOPES = {"operators": frozenset({Scope.READ, Scope.OPERATE}), "viewers": frozenset({Scope.READ})}


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdServer]:
    with open_id_server() as server:
        yield server


@pytest.fixture
def server(running: OpenIdServer) -> OpenIdServer:
    running.is_down = running.oversized = False
    running.listed = [running.rsa, running.ec, running.ed]
    running.asked.clear()
    return running


@pytest.fixture
async def issuer(server: OpenIdServer) -> AsyncIterator[Issuer]:
    rules = OidcRules(server.url, AUDIENCE, CLIENT_ID, "groups", SCOPES)
    issuer = Issuer(rules, IssuerServer(server.url))
    with capture_logs():
        yield issuer
    await issuer.server.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds to be added to the clock by which keys grow old."""
    ahead = [0.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + ahead[0]

    monkeypatch.setattr(issuer_module, "time", Clock)
    return ahead


async def refusal(issuer: Issuer, token: str, **expected: Any) -> str:
    with pytest.raises(TokenRefused) as refused:
        await issuer.verify(token, audience=expected.pop("audience", AUDIENCE), **expected)
    return str(refused.value)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_a_good_token_names_somebody(issuer: Issuer, server: OpenIdServer, alg: str) -> None:
    person = await issuer.verify(server.token(alg), audience=AUDIENCE)
    assert (person.subject, person.name, person.values) == ("alice", "Alice", ("operators",))
    assert (await issuer.verify(server.token(alg, aud=["other", AUDIENCE]), audience=AUDIENCE)) == person


async def test_clocks_may_be_a_minute_apart(issuer: Issuer, server: OpenIdServer) -> None:
    now = int(time.time())
    assert await issuer.verify(server.token(exp=now - 30), audience=AUDIENCE)
    assert await issuer.verify(server.token(nbf=now + 30), audience=AUDIENCE)


async def test_what_proves_nothing_is_refused(issuer: Issuer, server: OpenIdServer) -> None:
    now = int(time.time())
    other = RSAKey.generate_key(2048, {"kid": "rsa"})
    whole = server.token()
    for token in (
        server.confused_token(),
        server.unsigned_token(),
        server.token(key=other),
        server.token(aud="somebody-else"),
        server.token(aud=None),
        server.token(aud={"celeriac-api": 1}),
        server.token(iss="https://login.example.com"),
        server.token(iss=None),
        server.token(exp=now - 61),
        server.token(exp=None),
        server.token(exp="tomorrow"),
        server.token(nbf=now + 90),
        server.token(iat=now + 90),
        server.token(sub=None),
        server.token(sub=""),
        server.token(sub="x" * 256),
        server.token(sub="a\nb"),
        server.token("ES256", kid="rsa"),
        whole[:-3] + ("AAA" if whole[-3:] != "AAA" else "BBB"),
        whole.rpartition(".")[0] + ".",
        "eyJ.e30.AA",
        "eyJbXQ.e30.AA",
        "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.e30.AA",
    ):
        assert await refusal(issuer, token), token


async def test_an_algorithm_that_is_not_allowed_is_refused_before_anybody_is_asked(
    issuer: Issuer, server: OpenIdServer
) -> None:
    for token in (server.confused_token(), server.unsigned_token(), server.token("RS512", key=server.rsa)):
        assert await refusal(issuer, token) == "is not signed as tokens are here"
    assert not server.asked


async def test_a_flood_of_unknown_keys_has_the_issuer_asked_once_a_minute(
    issuer: Issuer, server: OpenIdServer, clock: list[float]
) -> None:
    await issuer.verify(server.token(), audience=AUDIENCE)
    assert server.asked["/keys"] == 1
    clock[0] = 61
    strangers = [server.token(kid=f"stranger-{number}") for number in range(20)]
    refusals = await asyncio.gather(*(refusal(issuer, token) for token in strangers))
    assert set(refusals) == {"names a key that its issuer does not have"}
    assert server.asked["/keys"] == 2


async def test_a_new_key_is_found_when_a_token_names_it(
    issuer: Issuer, server: OpenIdServer, clock: list[float]
) -> None:
    await issuer.verify(server.token(), audience=AUDIENCE)
    new = RSAKey.generate_key(2048, {"kid": "new"})
    server.listed = [new]
    assert "does not have" in await refusal(issuer, server.token(key=new))
    clock[0] = 61
    assert await issuer.verify(server.token(key=new), audience=AUDIENCE)
    assert "does not have" in await refusal(issuer, server.token())


async def test_a_token_without_a_key_id_is_checked_with_the_only_key_there_is(
    issuer: Issuer, server: OpenIdServer
) -> None:
    server.listed = [server.rsa]
    header, _, rest = server.token(kid="").partition(".")
    assert header
    assert "does not have" in await refusal(issuer, f"{header}.{rest}")
    bare = server.token_without_kid()
    assert await issuer.verify(bare, audience=AUDIENCE)


async def test_a_shared_secret_and_a_short_key_are_none_of_its_keys(issuer: Issuer, server: OpenIdServer) -> None:
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, {"kid": "short"})
    server.listed = [server.secret, server.encrypting, short]
    signing = RSAKey.import_key(server.encrypting.as_pem(private=True), {"kid": "enc"})
    for token in (server.token(key=signing), server.token(kid="rsa"), server.token(key=short)):
        assert "does not have" in await refusal(issuer, token)


async def test_while_the_issuer_is_away_its_keys_hold_for_a_day(
    issuer: Issuer, server: OpenIdServer, clock: list[float]
) -> None:
    await issuer.verify(server.token(), audience=AUDIENCE)
    server.is_down = True
    for hours in (2, 23):
        clock[0] = hours * 3600
        assert await issuer.verify(server.token(), audience=AUDIENCE)
    clock[0] = 25 * 3600
    with pytest.raises(IssuerUnavailable):
        await issuer.verify(server.token(), audience=AUDIENCE)


async def test_an_issuer_that_nobody_asked_for_a_day_is_asked_again(
    issuer: Issuer, server: OpenIdServer, clock: list[float]
) -> None:
    await issuer.verify(server.token(), audience=AUDIENCE)
    clock[0] = 25 * 3600
    assert await issuer.verify(server.token(), audience=AUDIENCE)


async def test_an_issuer_that_was_never_there_is_asked_again_soon(
    issuer: Issuer, server: OpenIdServer, clock: list[float]
) -> None:
    server.is_down = True
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await issuer.verify(server.token(), audience=AUDIENCE)
    assert sum(server.asked.values()) == 1
    server.is_down, clock[0] = False, 6
    assert await issuer.verify(server.token(), audience=AUDIENCE)


async def test_an_answer_without_an_end_is_not_read_to_it(issuer: Issuer, server: OpenIdServer) -> None:
    server.oversized = True
    endpoints = await issuer.server.discover()
    with pytest.raises(IssuerUnavailable, match="more than 1 MiB"):
        await issuer.server.fetch_keys(endpoints)


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(server: OpenIdServer) -> None:
    other = IssuerServer(f"{server.url}/")
    with pytest.raises(IssuerUnavailable, match="calls itself"):
        await other.discover()
    await other.close()


async def test_a_token_of_another_sign_in_or_client_is_refused(issuer: Issuer, server: OpenIdServer) -> None:
    token = server.token(aud=[CLIENT_ID, "other"], nonce="mine", azp=CLIENT_ID)
    assert await issuer.verify(token, audience=CLIENT_ID, nonce="mine")
    assert "another sign-in" in await refusal(issuer, token, audience=CLIENT_ID, nonce="other")
    assert "another sign-in" in await refusal(issuer, server.token(aud=CLIENT_ID), audience=CLIENT_ID, nonce="mine")
    foreign = server.token(aud=[CLIENT_ID, "other"], nonce="mine", azp="other")
    assert "another client" in await refusal(issuer, foreign, audience=CLIENT_ID, nonce="mine")
