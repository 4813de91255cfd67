"""Whether an answer is like an example of the contract: every field is there, under its name and of its type."""

import re
from typing import Any

TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")


def assert_like(answer: Any, example: Any, *, place: str = "") -> None:
    """Fields may be more than in the example, never fewer. An example's null, and a list of `...`, say nothing more."""
    if example is None:
        return
    if isinstance(example, dict):
        assert isinstance(answer, dict), place
        assert answer.keys() >= example.keys(), (place, example.keys() - answer.keys())
        for name, value in example.items():
            assert_like(answer[name], value, place=f"{place}/{name}")
    elif isinstance(example, list):
        assert isinstance(answer, list), place
        assert answer, f"{place} is empty: it would prove nothing"
        for number, value in enumerate(answer):
            if example != [...]:
                assert_like(value, example[0], place=f"{place}/{number}")
    elif isinstance(example, bool):
        assert isinstance(answer, bool), (place, answer)
    elif isinstance(example, int | float):
        # JSON has one kind of number: `30` in an example does not promise whole seconds.
        assert isinstance(answer, int | float), (place, answer)
        assert not isinstance(answer, bool), (place, answer)
    else:
        assert isinstance(answer, str), (place, answer)
        assert bool(TIME.fullmatch(answer)) is bool(TIME.fullmatch(example)), (place, answer)
