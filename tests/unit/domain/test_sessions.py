from datetime import UTC, datetime, timedelta

from domain.api_keys import digest_of
from domain.principals import PrincipalKind
from domain.sessions import IDLE, LONGEST, Owner, Session, compose, id_within, proof_of

NOW = datetime(2026, 1, 25, 14, tzinfo=UTC)
TEXT = compose("k7Qm2ZpX4rT1", "s" * 43)
OWNER = Owner(PrincipalKind.API_KEY, "abc", "etl")


def session(seen_at: datetime = NOW) -> Session:
    return Session("k7Qm2ZpX4rT1", digest_of(TEXT), OWNER, NOW, seen_at, NOW + LONGEST)


def test_a_session_is_known_by_its_form() -> None:
    assert id_within(TEXT) == "k7Qm2ZpX4rT1"
    for text in (
        "",
        TEXT[:-1],
        TEXT + "s",
        TEXT.replace("_", "-"),
        TEXT[:-1] + ".",
        TEXT[:-1] + "\xe9",
        "_" + TEXT[1:],
    ):
        assert id_within(text) is None, text


def test_a_session_ends_idle_or_old() -> None:
    step = timedelta(microseconds=1)
    assert not session().is_over(NOW + IDLE - step)
    assert session().is_over(NOW + IDLE)
    used = session(seen_at=NOW + LONGEST - timedelta(minutes=1))
    assert not used.is_over(NOW + LONGEST - step)
    assert used.is_over(NOW + LONGEST)


def test_a_session_matches_its_text_alone() -> None:
    assert session().matches(digest_of(TEXT))
    assert not session().matches(digest_of(TEXT[:-1] + "t"))


def test_a_proof_belongs_to_one_key_and_one_session() -> None:
    other = compose("k7Qm2ZpX4rT1", "t" * 43)
    assert len({proof_of(b"key", TEXT), proof_of(b"key", other), proof_of(b"another", TEXT)}) == 3
    assert proof_of(b"key", TEXT) == proof_of(b"key", TEXT)


def test_nothing_that_opens_is_in_what_is_shown_of_it() -> None:
    shown = repr(Session("id", b"hash", Owner(PrincipalKind.ENV_KEY, "1", "n", proof=b"proof"), NOW, NOW, NOW))
    assert "hash=" not in shown
    assert "proof" not in shown
    assert OWNER.label == "api_key:abc"
