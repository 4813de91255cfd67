"""Text that others chose, as it may be shown on a terminal: nothing in it steers the terminal or misleads the reader.

Escapes of terminals begin with ESC or a C1 control; CR and LF forge lines; bidi overrides and invisible characters make
a line read otherwise than it is. Each is shown as JSON would write it, so that a JSON line stays the same JSON.
"""

import re

from domain.sentences import plural

MAX_LINE = 8192
"""Characters of one line of a log; a longer one is cut, and says so."""

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and the end of a line
_LINE_ENDS = r"\u2028\u2029"
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Not the joiners U+200C and U+200D: Persian and emoji are written with them.
_INVISIBLE = (
    r"\u00ad\u115f\u1160\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_SURROGATES = r"\ud800-\udfff"
_UNSAFE_IN_LINES = re.compile(f"[{_CONTROLS}{_LINE_ENDS}{_BIDI}{_INVISIBLE}{_SURROGATES}]")
_UNSAFE = re.compile(f"\n|{_UNSAFE_IN_LINES.pattern}")


def printable(text: str, *, max_length: int | None = None) -> str:
    """One line: what is no text is written as its JSON escape, but for tabs. Longer than `max_length`: cut."""
    return _cut(text if text.isprintable() else _UNSAFE.sub(_escaped, text), max_length)


def printable_lines(text: str, *, indent: str = "  ", max_line: int | None = None) -> str:
    """Several lines, with tabs; those behind the first are indented, so that none can pass for a line of its own."""
    if text.isprintable():
        return _cut(text, max_line)
    lines = _UNSAFE_IN_LINES.sub(_escaped, text.replace("\r\n", "\n")).split("\n")
    return f"\n{indent}".join(_cut(line, max_line) for line in lines)


def _escaped(match: re.Match[str]) -> str:
    """`\\u001b`; beyond U+FFFF a pair, as in JSON."""
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _cut(text: str, max_length: int | None) -> str:
    if max_length is None or len(text) <= max_length:
        return text
    return f"{text[:max_length]}... ({plural(len(text) - max_length, 'character')} more)"
