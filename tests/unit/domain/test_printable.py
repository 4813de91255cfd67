import json
import unicodedata
from pathlib import Path

import pytest

from domain.printable import printable, printable_lines

SAID = json.loads((Path(__file__).parents[3] / "dashboard" / "tests" / "said.json").read_text())

STEERING = ["\x1b]0;pwn\x07", "\x1b[31m", "\x9b31m", "a\rb", "\x7f", "\x00", "\x0b\x0c", "\u0085"]
MISLEADING = [
    "\u202e",
    "\u2066a\u2069",
    "\u200f",
    "\u061c",
    "\u2028",
    "\u2029",
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\U000e0041",
]


@pytest.mark.parametrize("text", [*STEERING, *MISLEADING, "\ud800", "a\nb"])
def test_what_steers_or_misleads_is_written_as_json_writes_it(text: str) -> None:
    shown = printable(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize(("text", "shown"), SAID["printable"])
def test_the_dashboard_shows_the_same(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", [*STEERING, *MISLEADING, "\ud800"])
def test_so_it_is_in_several_lines(text: str) -> None:
    assert printable_lines(f"one\ntwo {text}") == f"one\n  two {printable(text)}"


def test_no_line_can_pass_for_one_of_its_own() -> None:
    assert printable_lines("a\nb\r\n\tc\n") == "a\n  b\n  \tc\n  "
    assert printable_lines("a\nb", indent="") == "a\nb"


@pytest.mark.parametrize(
    "text",
    ["", "process_payment", "naïve 日本語 🙂", "👩\u200d💻", "\u0645\u06cc\u200c\u062e\u0648", "tab\there", "[red]"],
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == printable_lines(text) == text


def test_of_all_characters_those_that_are_no_text_are_escaped() -> None:
    """Of the format characters those stay that only join or mark letters."""
    raw = [char for char in map(chr, range(0x110000)) if printable(char) == char and not char.isprintable()]
    assert {unicodedata.category(char) for char in raw if char != "\t"} <= {"Cf", "Cn", "Co", "Zs"}
    assert not [
        char for char in raw if unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")
    ]


def test_long_lines_are_cut_and_say_so() -> None:
    assert printable("x" * 100, max_length=10) == "x" * 10 + "... (90 characters more)"
    assert printable_lines("ab\n" + "x" * 20, max_line=5) == "ab\n  xxxxx... (15 characters more)"
    assert printable("x" * 10, max_length=10) == "x" * 10
