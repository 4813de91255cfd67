from typing import Any

import pytest

from domain.oidc import (
    MAX_NAME,
    MAX_TOKEN,
    MAX_VALUES,
    OidcRules,
    checked_issuer,
    checked_public_url,
    is_safe,
    looks_like_token,
    rules_of,
)
from domain.scopes import Scope
from tests.raised import raised_by

SCOPES = {"viewers": ["read"], "operators": ["read", "operate"]}
ISSUER = "https://login.example.com"


def rules(claim: str = "groups", scopes: dict[str, Any] = SCOPES) -> OidcRules:
    made = rules_of(ISSUER, "api", client_id=None, claim=claim, scopes=scopes)
    assert made
    return made


def values(claim: str, **claims: Any) -> tuple[str, ...]:
    person = rules(claim).person({"sub": "alice", **claims})
    assert person
    return person.values


@pytest.mark.parametrize("text", ["eyJh.eyJi.c-_1", "eyJhbGciOiJub25lIn0.e30."])
def test_three_parts_of_base64url_are_a_token(text: str) -> None:
    assert looks_like_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eyJh",
        "eyJh.b",
        "eyJh.b.c.d",
        "abc.b.c",
        "eyJh.b+.c",
        "eyJh.b.c ",
        "cel_k7Qm2ZpX4rT1_s",
        "eyJ." + "a" * MAX_TOKEN + ".",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not looks_like_token(text)


def test_values_are_compared_whole() -> None:
    assert values("groups", groups=["operators", "cooks", 7, None]) == ("operators",)
    assert values("groups", groups="viewers") == ("viewers",)
    for near in ("viewers2", "Viewers", "view", " viewers", "viewers operators", ".*", ""):
        assert values("groups", groups=[near]) == (), near
        assert values("groups", groups=near) == (), near
    for strange in (None, 7, {"viewers": True}, [["viewers"]]):
        assert values("groups", groups=strange) == ()
    assert values("groups") == ()


def test_a_claim_may_lie_deep_or_have_a_name_like_a_path() -> None:
    assert values("/realm_access/roles", realm_access={"roles": ["viewers"]}) == ("viewers",)
    assert values("/realm_access/roles", realm_access=["roles"]) == ()
    assert values("/a~1b/c~0d", **{"a/b": {"c~d": "viewers"}}) == ("viewers",)
    assert values("https://example.com/roles", **{"https://example.com/roles": ["viewers"]}) == ("viewers",)


def test_only_the_claim_of_scopes_holds_several_values_in_one_text() -> None:
    assert values("scope", scope="operators viewers") == ("operators", "viewers")
    assert values("roles", roles="operators viewers") == ()


def test_an_address_counts_only_if_its_issuer_has_verified_it() -> None:
    made = rules("email", {"a@example.com": ["read"]})
    for verified, count in ((True, 1), (False, 0), (None, 0), ("true", 0)):
        person = made.person({"sub": "alice", "email": "a@example.com", "email_verified": verified})
        assert person
        assert len(person.values) == count


def test_scopes_of_several_values_add_up() -> None:
    made = rules()
    assert made.scopes_of(("viewers", "operators")) == {Scope.READ, Scope.OPERATE}
    assert made.scopes_of(("cooks",)) == made.scopes_of(()) == frozenset()
    assert not made.rules_everybody
    assert rules(scopes={"root": ["admin"]}).rules_everybody


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256, "a\nb", "\ud800", "a\x00"])
def test_a_subject_that_cannot_be_recorded_is_nobody(subject: object) -> None:
    assert rules().person({"sub": subject}) is None


def test_a_person_is_shown_by_the_first_name_that_there_is() -> None:
    for claims, name in (
        ({"name": "Alice", "email": "a@example.com"}, "Alice"),
        ({"name": "", "preferred_username": "al", "email": "a@example.com"}, "al"),
        ({"name": "a\nb", "email": "a@example.com"}, "a@example.com"),
        ({"name": 7}, "alice"),
        ({"name": "x" * 500}, "x" * MAX_NAME),
    ):
        person = rules().person({"sub": "alice", **claims})
        assert person
        assert person.name == name


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"issuer": None}, "CELERIAC_OIDC_AUDIENCE"),
        ({"issuer": None, "audience": None}, "CELERIAC_OIDC_SCOPES"),
        ({"issuer": None, "audience": None, "scopes": {}, "client_id": "web"}, "CELERIAC_OIDC_CLIENT_ID"),
        ({"audience": None}, "CELERIAC_OIDC_CLIENT_ID"),
        ({"scopes": {}}, "CELERIAC_OIDC_SCOPES"),
        ({"scopes": {"viewers": "read"}}, "must be such as"),
        ({"scopes": {"viewers": []}}, "must be such as"),
        ({"scopes": {"": ["read"]}}, "must be such as"),
        ({"scopes": {"viewers": ["reed"]}}, "may hold the scopes"),
        ({"scopes": {"viewers": [["read"]]}}, "may hold the scopes"),
        ({"scopes": {str(number): ["read"] for number in range(MAX_VALUES + 1)}}, "more than"),
    ],
)
def test_half_an_issuer_is_refused_by_name(changes: dict[str, Any], word: str) -> None:
    good = {"issuer": ISSUER, "audience": "api", "client_id": None, "claim": "groups", "scopes": SCOPES}
    with pytest.raises(ValueError, match=word):
        rules_of(**(good | changes))


def test_without_an_issuer_there_are_no_rules() -> None:
    assert rules_of(None, None, client_id=None, claim="groups", scopes={}) is None


def test_an_issuer_is_where_nobody_on_the_way_can_answer_for_it() -> None:
    for url in (
        ISSUER,
        "https://login.example.com/realms/ops/",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:1",
    ):
        assert raised_by(checked_issuer, url) is None, url
        assert is_safe(url)
    for url in (
        "http://login.example.com",
        "login.example.com",
        "ftp://localhost",
        "https://",
        "https://u:p@example.com",
        "https://example.com?a=1",
        "https://example.com/#a",
        "https://exa mple.com",
        "https://[::1",
        "https://a\nb",
    ):
        assert isinstance(raised_by(checked_issuer, url), ValueError), url
    assert not is_safe(None)


def test_a_public_url_is_a_site_without_a_path() -> None:
    for url in ("https://celeriac.example.com", "http://127.0.0.1:8000"):
        assert checked_public_url(url) == url
    for url in (
        "https://example.com/",
        "https://example.com/a",
        "example.com",
        "https://u@example.com",
        "ftp://a",
        "https://",
    ):
        assert isinstance(raised_by(checked_public_url, url), ValueError), url
