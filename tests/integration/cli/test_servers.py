"""What no waiting mends is one sentence without a secret: certificates, passwords, rights."""

from collections.abc import Iterator

import pytest

from cli.doctor import examine
from cli.errors import CliError
from cli.servers import reasons_against, refuse_unusable
from settings import Settings
from tests.raised import raised_by
from tests.secured import PASSWORD, SecuredRedis, secure_program, secured_redis

pytestmark = pytest.mark.skipif(secure_program() is None, reason="no Redis with TLS is installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("secured")) as found:
        found.let_in({"all": "~* &* +@all", "mute": "~* &* +@all -publish -lpush", "shut": "~other:* &* +@all"})
        yield found


def test_the_right_certificates_and_a_socket_are_let_in(server: SecuredRedis) -> None:
    for url in (server.by_tls("all", 3), server.by_socket("all", 3)):
        assert raised_by(refuse_unusable, Settings(broker_url=url)) is None


def test_what_is_refused_for_good_is_said(server: SecuredRedis) -> None:
    told = {
        "TLS is refused": server.by_tls("all", 0, authority="other.crt"),
        "TLS is refused ": server.by_tls("all", 0, client=None),
        "cannot be read here": server.by_tls("all", 0, client="nobody"),
        "we are not let in": server.by_tls("stranger", 0),
        "rights are missing (LPUSH celery, PUBLISH /0.celery.pidbox)": server.by_tls("mute", 0),
        "rights are missing (LPUSH celery, RPUSH celery": server.by_socket("shut", 0),
    }
    for words, url in told.items():
        with pytest.raises(CliError) as refusal:
            refuse_unusable(Settings(broker_url=url))
        assert words.strip() in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert not [secret for secret in (PASSWORD, "p%2Fw", "p/w") if secret in str(refusal.value)]


def test_doctor_is_red_where_a_right_or_a_certificate_is_missing(server: SecuredRedis) -> None:
    barred = Settings(broker_url=server.by_tls("mute", 0), result_url=server.by_tls("all", 1, authority="other.crt"))
    found = [finding for finding in examine(barred, api_url="http://127.0.0.1:1") if finding.verdict == "fail"]
    told = {finding.subject: finding.detail for finding in found}
    assert "PUBLISH /0.celery.pidbox" in told["broker"]
    assert "TLS is refused" in told["results"]
    assert "p%2Fw" not in str(told)


def test_a_server_that_is_away_is_waited_for() -> None:
    assert list(reasons_against("redis://127.0.0.1:1/0")) == []
    assert list(reasons_against("db+sqlite:///x")) == []
