"""Names that say of their value that it is secret: `password`, `dbPassword`, `X-Api-Key`, and not `token_count`.

A name is split into words at changes of case, at digits and at every other sign. It is secret if it ends in the words
of a phrase; docs/redaction.md lists the phrases and what else counts.
"""

import re
from collections.abc import Callable, Iterable

MAX_LENGTH = 128
"""Characters of a name that are looked at, the last ones."""
MAX_REMEMBERED = 4_096

COMMON = (
    *("password", "passwords", "pass word", "passwd", "pwd", "passphrase", "pass phrase", "passcode"),
    *("secret", "secrets", "token", "access tokens", "api tokens", "auth tokens", "bearer tokens", "refresh tokens"),
    *("authorization", "bearer", "jwt", "cookie", "cookies", "credential", "credentials", "otp"),
    *("api key", "api keys", "apikey", "apikeys", "access key", "access keys", "secret key", "secret keys"),
    *("private key", "private keys", "encryption key", "signing key", "ssh key", "master key", "recovery codes"),
    *("card number", "card numbers", "card no", "cardnumber", "credit card", "creditcard", "cvv", "cvc"),
    *("card code", "security code"),
)
"""The phrases that are hidden unless that is switched off."""

ENDINGS = frozenset(
    (
        *("value", "values", "text", "plain", "raw", "string", "str", "bytes", "data", "header", "hash", "hashed"),
        *("hex", "encoded", "encrypted", "old", "new", "current"),
        *("confirm", "confirmation", "repeat", "repeated", "again"),
    )
)
"""Words behind a phrase that change nothing: `password_hash`, `new_password_again`."""

QUESTIONS = frozenset(["is", "has", "needs", "requires", "allows", "uses"])
"""Words before a phrase that make a yes or no of it: `has_password`."""

GLUED = ("password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "secretkey")
"""Common phrases that a word may end in that is written as one: `dbpassword`, `APIkey`. No other word ends so."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_RUN = re.compile(r"[^\W_]+")


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: `X-apiKey2` -> x, api, key, 2."""
    return tuple(word.lower() for word in _WORD.findall(name))


class SecretNames:
    """The names that one configuration hides; asked again and again, it remembers its answers."""

    def __init__(self, *, common: bool = True, added: Iterable[str] = (), shown: Iterable[str] = ()) -> None:
        """Prepare to judge; `shown` are names that are shown although they end in a phrase."""
        phrases = {words_of(phrase) for phrase in (*(COMMON if common else ()), *added)} - {()}
        self._phrases = frozenset(phrases)
        self._longest = max(map(len, phrases), default=0)
        self._glued = GLUED if common else ()
        self._shown = frozenset(map(words_of, shown))
        self.stems = _shortest({phrase[0] for phrase in phrases} | set(self._glued))
        """Each text with a secret name in it holds one of these, in some case of letters."""
        self._may_be_secret = re.compile("|".join(map(re.escape, self.stems)) or r"(?!)").search

        self.is_secret: Callable[[str], bool] = _Verdicts(self._judge).__getitem__
        """Tells whether the value of this name is hidden."""

    def _judge(self, name: str) -> bool:
        name = name[-MAX_LENGTH:]
        # Most names hold no such letters, and need not be taken apart.
        words = list(words_of(name)) if self._may_be_secret(name.lower()) else []
        if not words or tuple(words) in self._shown:
            return False
        while len(words) > 1 and (words[-1].isdecimal() or words[-1] in ENDINGS):
            words.pop()
        if len(words) > 1 and words[0] in QUESTIONS:
            return False
        if any(tuple(words[-count:]) in self._phrases for count in range(1, self._longest + 1)):
            return True
        return bool(self._glued) and _RUN.findall(name.lower())[-1].rstrip("0123456789").endswith(self._glued)


class _Verdicts(dict[str, bool]):
    """What was judged of names; a look at one that is known costs no call of Python's."""

    def __init__(self, judge: Callable[[str], bool]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: str) -> bool:
        verdict = self._judge(name)
        if len(name) <= MAX_LENGTH:
            if len(self) >= MAX_REMEMBERED:
                self.clear()
            self[name] = verdict
        return verdict


def _shortest(stems: set[str]) -> tuple[str, ...]:
    """Return the stems without those that hold another one."""
    return tuple(sorted(stem for stem in stems if not any(other in stem for other in stems - {stem})))
