import pytest

from domain.redaction.names import MAX_LENGTH, MAX_REMEMBERED, SecretNames, words_of

COMMON = SecretNames()
SECRET = (
    *("password", "Password", "PASSWORD", "dbPassword", "DB_PASSWORD", "db-password", "user.password", "dbpassword"),
    *("password2", "new_password_again", "password_hash", "passWord", "passwd", "pwd", "passphrase", "secret_value"),
    *("token", "access_token", "refreshToken", "csrftoken", "authTokens", "next_page_token", "jwt", "otp"),
    *("authorization", "Proxy-Authorization", "Authorization_Header", "Set-Cookie", "cookies", "bearer"),
    *("api_key", "apiKey", "apikey", "APIkey", "X-Api-Key", "STRIPE_API_KEYS", "client_secret", "secretKey"),
    *("aws_secret_access_key", "private_key", "privateKey", "ssh_key", "credential", "db_credentials"),
    *("card_number", "cardNumber", "cardnumber", "creditCard", "cvv", "cvc2", "card number"),
)
OPEN = (
    *("token_count", "max_tokens", "tokens", "tokenizer", "token_type", "author", "authors", "authorized"),
    *("card_type", "card", "discard_number", "discardNumber", "number", "cards", "key", "public_key", "partition_key"),
    *("password_length", "passwordless", "has_password", "is_secret", "requires_token", "secret_name", "secretary"),
    *("bypass", "compass", "count", "", "_", "42", "日本語", "pass", "assword"),
)


@pytest.mark.parametrize("name", SECRET)
def test_a_name_that_ends_in_the_words_of_a_phrase_is_secret(name: str) -> None:
    assert COMMON.is_secret(name)


@pytest.mark.parametrize("name", OPEN)
def test_a_name_that_only_holds_such_letters_is_not(name: str) -> None:
    assert not COMMON.is_secret(name)


def test_a_name_falls_apart_at_case_digits_and_signs() -> None:
    assert words_of("X-apiKey2_HTTPServer") == ("x", "api", "key", "2", "http", "server")


def test_names_are_added_and_shown() -> None:
    names = SecretNames(added=["pan", "session id"], shown=["next_page_token"])
    assert [names.is_secret(name) for name in ("pan", "cardPan", "sessionId", "SESSION_ID")] == [True] * 4
    assert not any(map(names.is_secret, ("pan_type", "japan", "id", "session", "nextPageToken")))
    assert names.is_secret("page_token")


def test_without_the_common_names_only_those_that_were_added_count() -> None:
    names = SecretNames(common=False, added=["pan"])
    assert names.is_secret("pan")
    assert not any(map(names.is_secret, SECRET))
    nothing = SecretNames(common=False)
    assert not any(map(nothing.is_secret, (*SECRET, *OPEN)))
    assert nothing.stems == ()


def test_every_secret_name_holds_a_stem() -> None:
    assert all(any(stem in name.lower() for stem in COMMON.stems) for name in SECRET)


def test_of_a_long_name_the_end_counts_and_nothing_is_remembered() -> None:
    long = "x_" * MAX_LENGTH + "password"
    assert COMMON.is_secret(long)
    assert not COMMON.is_secret("password_" + "x" * MAX_LENGTH)


def test_any_number_of_names_is_judged_alike() -> None:
    names = SecretNames()
    for number in range(MAX_REMEMBERED + 10):
        assert not names.is_secret(f"field_{number}")
    assert names.is_secret("password")
