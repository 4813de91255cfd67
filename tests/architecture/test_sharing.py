"""What shares a running stack runs in one process of the tests: each other one would start a stack of its own."""

from pathlib import Path

from tests.conftest import ACCEPTANCE, SHARING_FILES


def test_all_files_that_take_the_stack_of_acceptance_are_known_to_share_it() -> None:
    taking = {str(path) for path in Path(ACCEPTANCE).glob("test_*.py") if "stack: Stack" in path.read_text()}
    assert taking == set(SHARING_FILES)
