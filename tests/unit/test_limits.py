"""docs/limits.md says what the code does."""

from pathlib import Path

import pytest

from api.dependencies import MAX_EXPORTS, SEARCH_SECONDS, SEARCH_WAIT_SECONDS
from api.schemas.filters import MAX_SEARCH
from api.schemas.pages import MAX_LIMIT
from domain.json_values import MAX_DEPTH
from domain.payloads import MAX_KID_LENGTH
from domain.submissions import MAX_ARGUMENT_BYTES
from domain.workflows.dag import MAX_EDGES, MAX_STEPS
from domain.workflows.references import MAX_POINTER_DEPTH, MAX_POINTER_LENGTH, MAX_READ_BYTES, MAX_REFERENCES
from gateway.descriptions import MAX_QUEUES, MAX_REGISTERED
from gateway.results.metas import MAX_RESULT_BYTES
from gateway.results.reader import MAX_VALUES, MAX_WHOLE_BYTES
from services import record
from services.comparisons import MAX_DIFFERENCES
from services.presets import MAX_PRESETS
from services.resident.degradation import MAX_MARKS
from services.resident.endings import MAX_WAITING
from services.resident.task_names import MAX_EXPLAINED, MAX_KNOWN, NEIGHBOURS
from services.timeline import MAX_FACTS
from services.workflows.progress import MAX_FILLED_BYTES, STEPS_OF_A_TURN
from services.workflows.results import GROUP_BYTES, GROUP_READS
from store.engine import STATEMENT_TIMEOUT_MS
from store.queries.outbox import CLAIMED_BYTES
from store.queries.tasks.documents import MAX_ATTEMPTS
from store.queries.workflows.documents import SHOWN_RESULT_BYTES, SHOWN_RESULTS_BYTES

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "limits.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| What")
]
KIB, MIB = 1024, 1024 * 1024


def row(begin: str) -> str:
    """The one of this name, or else the one whose name begins so."""
    named = [cells for cells in ROWS if cells[0] == begin]
    (found,) = named or [cells for cells in ROWS if cells[0].startswith(begin)]
    return " | ".join(found)


@pytest.mark.parametrize(
    ("begin", "figures"),
    [
        ("steps", [f"{MAX_STEPS:,}"]),
        ("edges", [f"{MAX_EDGES:,}"]),
        ("`$result` references", [f"{MAX_REFERENCES:,}"]),
        ("`pointer`", [f"{MAX_POINTER_LENGTH:,} characters", f"{MAX_POINTER_DEPTH} parts"]),
        ("arguments of a step", [f"{MAX_ARGUMENT_BYTES // MIB} MiB"]),
        ("results that one step", [f"{MAX_READ_BYTES // MIB} MiB"]),
        ("one result above", [f"{MAX_WHOLE_BYTES // MIB} MiB", f"{MAX_VALUES:,} JSON values"]),
        ("what results make", [f"{MAX_FILLED_BYTES // MIB} MiB"]),
        (
            "a turn",
            [f"{STEPS_OF_A_TURN} steps", f"{GROUP_BYTES // MIB} MiB of arg", f"{GROUP_READS // MIB} MiB of res"],
        ),
        ("results in `GET", [f"{SHOWN_RESULT_BYTES // KIB} KiB", f"{SHOWN_RESULTS_BYTES // MIB} MiB"]),
        ("arguments", [f"{MAX_ARGUMENT_BYTES // MIB} MiB", f"{MAX_DEPTH} deep"]),
        ("result that is kept", [f"{MAX_RESULT_BYTES // MIB} MiB"]),
        ("events that are kept", [f"{record.MAX_FACTS:,}", f"{record.MAX_STORED:,}"]),
        ("events of an id", [f"{record.MAX_FACTS // 2:,}"]),
        ("events in a timeline", [f"{MAX_FACTS:,}"]),
        ("`attempts`", [f"{MAX_ATTEMPTS:,}"]),
        ("differences", [f"{MAX_DIFFERENCES:,}"]),
        ("tasks of a tree", [f"{MAX_LIMIT:,}"]),
        ("requests that wait", [f"{MAX_WAITING:,}"]),
        ("an encrypted part", [f"`kid` of {MAX_KID_LENGTH} characters"]),
        ("large arguments", [f"{CLAIMED_BYTES // MIB} MiB"]),
        ("rows of a page", [f"{MAX_LIMIT:,}"]),
        ("`search`", [f"{MAX_SEARCH} characters"]),
        ("a statement of", [f"{SEARCH_SECONDS:.0f} s"]),
        ("any other statement", [f"{STATEMENT_TIMEOUT_MS // 1000} s"]),
        ("lists and searches", [f"{SEARCH_WAIT_SECONDS:.0f} s"]),
        ("exports", [f"{MAX_EXPORTS} for"]),
        ("saved presets", [f"{MAX_PRESETS:,}"]),
        ("marks", [f"{MAX_MARKS:,}"]),
        ("tasks that a node", [f"{MAX_REGISTERED:,}"]),
        ("queues that a node", [f"{MAX_QUEUES:,}"]),
        ("task names", [f"{MAX_KNOWN:,}"]),
        ("unknown names", [f"{MAX_EXPLAINED}", f"{4 * NEIGHBOURS} names"]),
    ],
)
def test_the_page_says_the_bounds_that_hold(begin: str, figures: list[str]) -> None:
    assert all(figure in row(begin) for figure in figures), (row(begin), figures)


def test_every_file_that_the_page_names_is_there() -> None:
    named = [name.strip().strip("`") for cells in ROWS for name in cells[3].split(",")]
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
