"""The mask in texts: JSON, whole or cut off, and what Celery tells of arguments, which is Python's way to write them.

In JSON nothing escapes it. What others wrote is hidden as far as it can be read: `'password': '...'`,
`password='...'`, and lists and objects behind a secret name; a value that stands in a longer text is not.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.redaction.values import ANY, BELOW_ANY_SECRET, MASK, MAX_LITERALS, SHORTEST, Segments, spellings

_PIECE = re.compile(r"""\s+|"(?:[^"\\]+|\\.?)*+"?|'(?:[^'\\]+|\\.?)*+'?|[][(){},:=]|[^\s"'\][(){},:=]+""", re.DOTALL)
_OPENING, _CLOSING = frozenset("[({"), frozenset("])}")
_NAMED = frozenset(":=")
"""What stands between a name and its value."""
_QUOTES = frozenset("\"'")
_LEFT_OUT = ("...", "\N{HORIZONTAL ELLIPSIS}")


@dataclass(slots=True)
class _Inside:
    """A list or an object that is being read; its values are reached by names, or else by their number."""

    places: Sequence[Segments]
    """The hidden places in it, each without the segments that have led here."""
    number: int = 0
    name: str | None = None
    """The name of the value that comes next."""

    @property
    def segment(self) -> str:
        """Return the segment of a pointer that leads to the value that comes next."""
        return str(self.number) if self.name is None else self.name

    def next_places(self) -> list[Segments]:
        """Return the hidden places of which the next value is one, or has it in it."""
        return [place[1:] for place in self.places if place and place[0] in (ANY, self.segment)]


class MaskedText:
    """A text with masks, and what they hide: `MaskedText(text, is_secret=..., places=...)`."""

    def __init__(self, text: str, *, is_secret: Callable[[str], bool], places: Sequence[Segments] = ()) -> None:
        """Read the text once; `places` are those that pointers name, from the outermost list or object on."""
        self.hidden: set[str] = set()
        """How what is hidden may stand in other texts."""
        self.hidden_count = 0
        self._literals_left = MAX_LITERALS
        self._is_secret = is_secret
        self._inside = [_Inside([("0", *place) for place in places])]
        self._pieces = [match[0] for match in _PIECE.finditer(text)]
        self._quote = next((piece[0] for piece in self._pieces if piece[0] in _QUOTES), "'")
        self._at = 0
        self.text = "".join(self._read())

    def _read(self) -> Iterator[str]:
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            inside = self._inside[-1]
            if piece.isspace() or piece in _NAMED:
                pass
            elif piece == ",":
                inside.number, inside.name = inside.number + 1, None
            elif piece in _CLOSING:
                del self._inside[max(1, len(self._inside) - 1) :]
            elif inside.name is not None and self._is_secret(inside.name) and not self._is_count():
                yield self._hide()
                continue
            elif piece not in _OPENING and self._is_name():
                inside.name = _unquoted(piece)
            elif inside.places and () in inside.next_places():
                yield self._hide()
                continue
            elif piece in _OPENING:
                self._inside.append(_Inside(inside.next_places()))
            yield piece
            self._at += 1

    def _is_count(self) -> bool:
        """Tell whether the value that begins here is a number too small to be secret, and nothing else."""
        piece = self._pieces[self._at]
        is_number = piece.isascii() and piece.isdecimal() and len(piece) < len(str(BELOW_ANY_SECRET))
        return is_number and (self._behind() == "," or self._behind() in _CLOSING)

    def _is_name(self) -> bool:
        """Tell whether a value follows that this piece is the name of."""
        return self._behind() in _NAMED

    def _behind(self) -> str:
        """Return the piece after this one and after space; nothing at the end."""
        return next((piece for piece in self._pieces[self._at + 1 : self._at + 3] if not piece.isspace()), "")

    def _hide(self) -> str:
        """Pass over a whole value, to the comma or bracket behind it; returns what stands in its place."""
        depth, self.hidden_count = 0, self.hidden_count + 1
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            if depth == 0 and (piece == "," or piece in _CLOSING):
                break
            depth += (piece in _OPENING) - (piece in _CLOSING)
            self._note(piece)
            self._at += 1
        return f"{self._quote}{MASK}{self._quote}"

    def _note(self, piece: str) -> None:
        leaf = _unquoted(piece)
        if self._literals_left and len(leaf) >= SHORTEST and not leaf.endswith(_LEFT_OUT):
            self.hidden |= spellings(leaf)
            self._literals_left -= 1


def unwrapped(text: str) -> str:
    """Return a text of arguments without the quotes around the whole of it, in which some senders put it."""
    if text[:1] in _QUOTES and (whole := _PIECE.match(text)) and whole.end() == len(text):
        return _unquoted(text)
    return text


def _unquoted(piece: str) -> str:
    quote = piece[:1]
    if quote not in _QUOTES:
        return piece
    inner = piece[1:-1] if piece.endswith(quote) and len(piece) > 1 else piece[1:]
    if "\\" not in inner:
        return inner
    if quote == '"':
        try:
            return str(json.loads(piece))
        except ValueError:
            pass  # Python's way to write it, or cut off
    return inner.replace(f"\\{quote}", quote)
