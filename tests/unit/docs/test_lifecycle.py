"""docs/lifecycle.md draws the very transitions of `domain/states.py`."""

import re
from pathlib import Path

from domain.states import TRANSITIONS, EventType, Phase, Status

PAGE = (Path(__file__).parents[3] / "docs" / "lifecycle.md").read_text()


def test_the_arrows_of_the_diagram_are_the_transitions() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): (\w+)$", PAGE, re.MULTILINE)
    drawn = [(Phase(source), EventType(event), Phase(target)) for source, target, event in arrows]
    assert set(drawn) == TRANSITIONS
    assert len(drawn) == len(TRANSITIONS)


def test_the_table_of_moves_has_the_same_transitions() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([`\w, ]+) \| `(\w+)` \|$", PAGE, re.MULTILINE)
    listed = [(start, event, end) for start, events, end in rows for event in re.findall(r"\w+", events)]
    assert sorted(listed) == sorted(tuple(map(str, move)) for move in TRANSITIONS)


def test_every_phase_and_every_status_is_explained() -> None:
    rows = re.findall(r"^\| (`[A-Z`, ]+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {phase for _, phase in rows} == set(Phase)
    assert {status for statuses, _ in rows for status in re.findall(r"\w+", statuses)} == set(Status)
