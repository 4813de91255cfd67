from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.api_keys import ApiKey, TurnedAway, compose, digest_of, id_within, is_whole, parse_networks
from domain.scopes import Scope
from domain.sight import Limits

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
KEY_ID, SECRET = "k7Qm2ZpX4rT1", "s" * 43
TEXT = compose(KEY_ID, SECRET)
KEY = ApiKey(
    key_id=KEY_ID,
    name="etl",
    secret_hash=digest_of(TEXT),
    scopes=frozenset({Scope.ADMIN}),
    created_at=NOW,
    created_by="cli",
)


def test_a_key_has_the_form_that_the_documentation_says() -> None:
    assert TEXT.startswith(f"cel_{KEY_ID}_{SECRET}")
    assert len(TEXT) == 4 + 12 + 1 + 43 + 6
    assert id_within(TEXT) == KEY_ID
    assert is_whole(TEXT)


@pytest.mark.parametrize("text", ["", "cel_", TEXT[:-1], TEXT + "x", TEXT.replace("cel_", "sel_"), "x" * len(TEXT)])
def test_what_has_another_outline_has_no_id(text: str) -> None:
    assert id_within(text) is None


@pytest.mark.parametrize("place", [4, 15, 17, 40, 59, 60, 65])
def test_one_wrong_character_anywhere_makes_garbage(place: int) -> None:
    wrong = TEXT[:place] + ("A" if TEXT[place] != "A" else "B") + TEXT[place + 1 :]
    assert id_within(wrong) is not None
    assert not is_whole(wrong)


def test_characters_that_no_key_has_are_garbage_whatever_the_checksum() -> None:
    assert not is_whole(compose("k7Qm2ZpX4r'1", SECRET))
    assert not is_whole(TEXT[:-1] + "é")


def test_the_hash_says_whose_key_it_is() -> None:
    assert KEY.matches(digest_of(TEXT), NOW)
    assert not KEY.matches(digest_of(compose(KEY_ID, "t" * 43)), NOW)
    assert digest_of(compose("another4rT12", SECRET)) != KEY.secret_hash


def test_after_a_rotation_both_secrets_open_until_the_overlap_ends() -> None:
    new = digest_of(compose(KEY_ID, "t" * 43))
    rotated = replace(KEY, secret_hash=new, previous_hash=KEY.secret_hash, previous_expires_at=NOW)
    assert rotated.matches(new, NOW + AN_HOUR)
    assert rotated.matches(KEY.secret_hash, NOW - AN_HOUR)
    assert not rotated.matches(KEY.secret_hash, NOW)
    assert not rotated.matches(b"", NOW - AN_HOUR)
    assert not replace(rotated, previous_expires_at=None).matches(KEY.secret_hash, NOW)


def test_a_key_says_why_it_opens_nothing() -> None:
    assert KEY.flaw(NOW) is None
    assert replace(KEY, expires_at=NOW + AN_HOUR).flaw(NOW) is None
    assert replace(KEY, expires_at=NOW).flaw(NOW) == "has expired"
    assert replace(KEY, disabled_at=NOW).flaw(NOW) == "is disabled"
    assert replace(KEY, revoked_at=NOW, disabled_at=NOW).flaw(NOW) == "has been revoked"


def test_only_a_key_that_opens_and_has_admin_rules() -> None:
    assert KEY.rules_everybody(NOW)
    assert not replace(KEY, disabled_at=NOW).rules_everybody(NOW)
    assert not replace(KEY, scopes=frozenset({Scope.READ, Scope.OPERATE})).rules_everybody(NOW)


def test_a_key_has_the_limits_that_are_stored_with_it() -> None:
    assert not KEY.limits
    assert replace(KEY, queues=("etl",), task_names=("shop.*",)).limits == Limits(("etl",), ("shop.*",))


def test_networks_are_addresses_or_networks_without_bits_beside_the_prefix() -> None:
    assert [str(network) for network in parse_networks(["10.0.0.0/8", "::1"])] == ["10.0.0.0/8", "::1/128"]
    for wrong in ("10.0.0.1/8", "somewhere", "", "10.0.0.0/33"):
        with pytest.raises(ValueError, match="no network such as"):
            parse_networks([wrong])


def test_no_secret_and_no_hash_is_shown_by_accident() -> None:
    assert "secret_hash" not in repr(KEY)
    assert repr(KEY.secret_hash) not in repr(KEY)


def test_the_requests_of_a_minute_are_counted_together() -> None:
    earlier = TurnedAway(NOW, 2, NOW, "10.0.0.7")
    later = TurnedAway(NOW, 1, NOW + timedelta(seconds=1), "10.0.0.8")
    assert later.and_earlier(earlier) == replace(later, count=3)
