"""Full-text search: the words of what is searched, and the query that people type, as plain values.

Both sides are split into words here and alike; Postgres' own parsers, with their notions of hosts, numbers and
hyphens, have no say. How words and queries become a tsvector and a tsquery stands in `store/queries/search.py`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

MAX_WORD_LENGTH = 100
"""Longer ones are cut, on both sides: a lexeme of Postgres has at most 2,046 bytes."""

_TOKEN = re.compile(r"[^\W_]+")
_PIECE = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
_MARK = re.compile(r"[\W_]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand side by side in this order."""

    words: tuple[str, ...]
    joined: str | None = None
    """The word as it is found written as one, too: `processPayment` is also `processpayment`."""
    is_prefix: bool = True
    """The last word may go on: `pay` finds `payment`."""
    is_excluded: bool = False


Query = tuple[tuple[Term, ...], ...]
"""Alternatives, of each of which all terms must hold. Empty: there is no word in it."""


def parse_query(text: str) -> Query:
    """Words are ANDed, `"a phrase"` is taken exactly, `-without` excludes, `or` separates alternatives.

    Every text is a query; what makes no sense in it is passed over.
    """
    alternatives: list[list[Term]] = [[]]
    for minus, phrase, bare in _PIECE.findall(text):
        if bare.casefold() == "or" and not minus:
            alternatives.append([])
        elif term := _term(phrase or bare, is_prefix=not phrase, is_excluded=bool(minus)):
            alternatives[-1].append(term)
    return tuple(tuple(terms) for terms in alternatives if terms)


def index_words(parts: Iterable[str]) -> dict[str, list[int]]:
    """Each word of these texts with its positions, from 1 on. A phrase cannot reach from one part into the next."""
    positions: dict[str, list[int]] = {}
    position = 0
    for part in parts:
        for words in _tokens(part):
            if len(words) > 1:
                positions.setdefault(_joined(words), []).append(position + 1)
            for word in words:
                position += 1
                positions.setdefault(word, []).append(position)
        position += 1
    return positions


def unescape(text: str) -> str:
    """JSON or a Python repr, whole or cut off, with letters in place of their escapes and spaces in place of others."""
    if "\\" not in text:
        return text
    letters = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else " ", text)
    # Letters beyond U+FFFF are escaped as pairs of surrogates.
    return letters.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _term(text: str, *, is_prefix: bool, is_excluded: bool) -> Term | None:
    tokens = list(_tokens(text))
    words = tuple(word for token in tokens for word in token)
    if not words:
        return None
    joined = _joined(words) if len(tokens) == 1 and len(words) > 1 else None
    return Term(words, joined, is_prefix, is_excluded)


def _tokens(text: str) -> Iterator[tuple[str, ...]]:
    """Each run of letters and digits, as the words that changes of case make of it."""
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    for token in _TOKEN.findall(normal):
        yield tuple(_fold(word)[:MAX_WORD_LENGTH] for word in _split_case(token))


def _fold(word: str) -> str:
    """Fold a word: without case, and without the marks into which casefold may part a letter and so divide the word."""
    folded = word.casefold()
    return folded if folded.isascii() else _MARK.sub("", folded)


def _split_case(token: str) -> list[str]:
    """`processPayment` -> process, Payment; `HTTPServer` -> HTTP, Server; `SHA256` stays whole."""
    if token.islower() or token.isupper():
        return [token]
    starts = [0, *(at for at in range(1, len(token)) if _begins_word(token, at)), len(token)]
    return [token[start:end] for start, end in pairwise(starts)]


def _begins_word(token: str, at: int) -> bool:
    if not token[at].isupper():
        return False
    return not token[at - 1].isupper() or token[at + 1 : at + 2].islower()


def _joined(words: tuple[str, ...]) -> str:
    return "".join(words)[:MAX_WORD_LENGTH]
