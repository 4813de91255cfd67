import json
from typing import Any

import pytest

from domain.errors import InvalidRequest
from domain.references import NotResolved, Reference, check_filled, fill, find, read, references_in
from domain.submissions import MAX_ARGUMENT_BYTES

RESULT = {"rows": [{"n": 1}, {"n": 2}], "a/b": {"m~n": 3}, "": 4, "none": None}


def test_references_are_found_wherever_they_stand() -> None:
    arguments = [1, {"$result": "a"}, {"deep": [{"$result": "b", "pointer": "/rows/0"}]}]
    assert list(find(arguments, "task_args")) == [
        ("task_args.1", Reference("a")),
        ("task_args.2.deep.0", Reference("b", "/rows/0")),
    ]


@pytest.mark.parametrize(
    "malformed",
    [
        {"$result": 1},
        {"$result": "a", "pointer": "rows"},
        {"$result": "a", "pointer": 0},
        {"$result": "a", "pointer": None},
        {"$result": "a", "pointer": "/~2"},
        {"$result": "a", "pointer": "/~"},
        {"$result": "a", "default": 1},
    ],
)
def test_a_malformed_reference_is_refused_with_its_place(malformed: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        list(find([{"deep": malformed}], "task_args"))
    ((field, _),) = caught.value.errors
    assert field == "task_args.0.deep"


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RESULT),
        ("/rows", RESULT["rows"]),
        ("/rows/1/n", 2),
        ("/a~1b/m~0n", 3),
        ("/", 4),
        ("/none", None),
    ],
)
def test_a_pointer_leads_to_a_part_of_the_result(pointer: str, value: Any) -> None:
    assert json.loads(read(Reference("a", pointer), RESULT)) == value


@pytest.mark.parametrize("pointer", ["/absent", "/rows/2", "/rows/-", "/rows/01", "/rows/-1", "/rows/n", "/none/x"])
def test_a_pointer_that_leads_nowhere_says_so(pointer: str) -> None:
    with pytest.raises(NotResolved, match=r"The result of step 'a' at '/.*' is absent"):
        read(Reference("a", pointer), RESULT)


def test_more_than_arguments_may_hold_is_no_value() -> None:
    with pytest.raises(NotResolved, match="larger than 1 MiB"):
        read(Reference("a"), "x" * MAX_ARGUMENT_BYTES)


def test_values_take_the_place_of_references() -> None:
    arguments = json.dumps([{"$result": "a"}, {"x": {"$result": "b", "pointer": "/n"}}, {"y": "$result"}])
    assert references_in(arguments) == {Reference("a"), Reference("b", "/n")}
    values = {Reference("a"): '{"$result": "only data here"}', Reference("b", "/n"): "[1, 2.50]"}
    assert json.loads(fill(arguments, values)) == [{"$result": "only data here"}, {"x": [1, 2.5]}, {"y": "$result"}]


@pytest.mark.parametrize("value", ["1e999", json.dumps("\x00"), "[" * 70 + "]" * 70, "[" * 100_000 + "]" * 100_000])
def test_what_no_task_may_be_given_is_not_passed_on(value: str) -> None:
    with pytest.raises(NotResolved, match="cannot be passed on"):
        fill('[{"$result": "a"}]', {Reference("a"): value})


def test_filled_arguments_have_the_bound_of_all_arguments() -> None:
    check_filled("x" * MAX_ARGUMENT_BYTES, "")
    with pytest.raises(NotResolved, match="1 MiB together"):
        check_filled("x" * MAX_ARGUMENT_BYTES, "{}")
