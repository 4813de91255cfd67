import pytest

from domain.secrets import check_api_keys, check_logins
from tests.raised import raised_by

KEY, OTHER = "Zm9vYmFyYmF6cXV4", "~!$%&/()=?+*#_-.;"


@pytest.mark.parametrize("keys", [(), (KEY,), (KEY, f"{OTHER}:read"), (KEY, KEY)])
def test_good_keys_pass(keys: tuple[str, ...]) -> None:
    assert raised_by(check_api_keys, keys) is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "key 2 is empty"),
        (":read", "key 2 is empty"),
        ("replace-me", "still that of the example"),
        ("replace-me-too:read", "still that of the example"),
        ("Replace-Me-With-Something-Long", "still that of the example"),
        ("fifteen-charact", "fewer than 16"),
        ("fifteen-charact:read", "fewer than 16"),
        (f"{OTHER}:reed", "unknown role"),
        (f"{OTHER}:admin", "unknown role"),
        (f"{OTHER}:read:read", "unknown role"),
        (f"{OTHER}:", "unknown role"),
        ("a key with some spaces", "not ASCII"),
        ("a-key-with\tits-tab", "not ASCII"),
        ("a-key-with-an-\x1bescape", "not ASCII"),
        ("ein-schlüssel-für-alle", "not ASCII"),
        ("a-key-with-a-\u200bspace", "not ASCII"),
        (f"{KEY}:read", "once for reading and once for everything"),
    ],
)
def test_a_slip_is_told_by_its_place_and_never_by_the_key(key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        check_api_keys((KEY, key))
    text = str(raised.value)
    assert KEY not in text
    assert OTHER not in text
    assert not key or key in {"replace-me", ":read"} or key not in text


@pytest.mark.parametrize("logins", [(), (f"operator:{KEY}",), (f"operator:{KEY}", f"o:{OTHER}:{OTHER}")])
def test_good_logins_pass(logins: tuple[str, ...]) -> None:
    assert raised_by(check_logins, logins) is None


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ("", "not of the form"),
        (KEY, "not of the form"),
        (f":{KEY}", "not of the form"),
        ("operator:", "password of login 1 is empty"),
        ("operator:replace-me", "that of the example"),
        ("operator:short", "fewer than 16"),
        (f"op erator:{KEY}", "the user of login 1"),
        (f"operator:{KEY}\xfc", "not ASCII"),
    ],
)
def test_a_login_that_opens_by_a_slip_is_refused(login: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        check_logins((login,))
    assert KEY not in str(raised.value)
