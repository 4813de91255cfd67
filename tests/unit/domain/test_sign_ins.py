from base64 import urlsafe_b64encode

import pytest

from domain.sign_ins import MAX_PATH, USUAL_PATH, SignIn, is_local_path, read_sign_in

SECRET = "s" * 43


def test_what_a_browser_keeps_is_read_again() -> None:
    begun = SignIn(SECRET, "/docs?a=1#b")
    assert read_sign_in(begun.as_text()) == begun
    assert read_sign_in(SignIn(SECRET).as_text()) == SignIn(SECRET, USUAL_PATH)


def test_state_nonce_and_verifier_differ_and_tell_nothing_of_the_secret() -> None:
    begun = SignIn(SECRET)
    drawn = {begun.state, begun.nonce, begun.verifier}
    assert len(drawn) == 3
    assert all(len(each) == 43 for each in drawn)  # RFC 7636 asks for 43 characters at least
    assert SECRET not in repr(begun)


def test_the_state_of_another_browser_is_not_known() -> None:
    begun = SignIn(SECRET)
    assert begun.knows(begun.state)
    for state in ("", begun.nonce, SignIn("t" * 43).state, begun.state + "x", "\xe9", "\ud800"):
        assert not begun.knows(state)


@pytest.mark.parametrize(
    "text",
    ["", SECRET, f"{SECRET[:-1]}.L2RvY3M", f"{SECRET[:-1]}-.L2RvY3M", f"{SECRET}.\xe9", f"{SECRET}._w", f"{SECRET}.a"]
    + [f"{SECRET}.{urlsafe_b64encode(path).decode()}" for path in (b"//example.com", b"https://example.com")],
)
def test_anything_else_is_no_sign_in(text: str) -> None:
    assert read_sign_in(text) is None


def test_a_path_of_ours_stays_on_our_site() -> None:
    for path in ("/", "/docs", "/a/b?c=d&e=%2F#f", "/" + "a" * (MAX_PATH - 1)):
        assert is_local_path(path), path
    for path in (
        "",
        "docs",
        "//example.com",
        "/\\example.com",
        "\\\\example.com",
        "https://example.com",
        "javascript:alert(1)",
        "/a\nb",
        "/\t/example.com",
        " /a",
        "/a b",
        "/\xe9",
        "/" + "a" * MAX_PATH,
    ):
        assert not is_local_path(path), path
