import json
from typing import Any

import pytest

from domain.errors import InvalidRequest
from domain.submissions import MAX_ARGUMENT_BYTES
from domain.workflows.references import (
    MAX_POINTER_DEPTH,
    MAX_POINTER_LENGTH,
    MAX_READ_BYTES,
    MAX_REFERENCES,
    Filling,
    NotResolved,
    Reference,
    Result,
    check_filled,
    fill,
    find,
    references_in,
)

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
    assert json.loads(Result("a", json.dumps(RESULT)).read(Reference("a", pointer))) == value


@pytest.mark.parametrize("pointer", ["/absent", "/rows/2", "/rows/-", "/rows/01", "/rows/-1", "/rows/n", "/none/x"])
def test_a_pointer_that_leads_nowhere_says_so(pointer: str) -> None:
    with pytest.raises(NotResolved, match=r"The result of step 'a' at '/.*' is absent"):
        Result("a", json.dumps(RESULT)).read(Reference("a", pointer))


def test_a_pointer_leads_into_no_encrypted_result() -> None:
    sealed = {"$encrypted": {"kid": "k1", "ct": "A" * 40}}
    with pytest.raises(NotResolved, match=r"The result of step 'a' at '/rows/n' is encrypted: .* only as a whole"):
        Result("a", json.dumps({"rows": sealed})).read(Reference("a", "/rows/n"))
    assert json.loads(Result("a", json.dumps({"rows": sealed})).read(Reference("a", "/rows"))) == sealed


def test_more_than_arguments_may_hold_is_no_value() -> None:
    with pytest.raises(NotResolved, match="larger than 1 MiB"):
        Result("a", json.dumps("x" * MAX_ARGUMENT_BYTES)).read(Reference("a"))


def test_values_take_the_place_of_references() -> None:
    arguments = json.dumps([{"$result": "a"}, {"x": {"$result": "b", "pointer": "/n"}}, {"y": "$result"}])
    assert references_in(arguments) == {Reference("a"): 1, Reference("b", "/n"): 1}
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


def filling(*arguments: Any) -> Filling:
    return Filling(references_in(json.dumps(arguments)))


def test_a_result_that_stands_in_many_places_counts_in_each() -> None:
    small, large = filling(*[{"$result": "a"}] * 10), filling(*[{"$result": "a"}] * 12)
    result = Result("a", json.dumps("x" * 100_000))
    small.take(result)
    assert (small.size, small.missing) == (1_000_020, {})
    with pytest.raises(NotResolved, match="1 MiB together"):
        large.take(result)


def test_nested_parts_of_one_result_are_counted_before_they_are_made() -> None:
    nested = "x" * 100_000
    for _ in range(20):
        nested = [nested]  # type: ignore[assignment]
    one = filling(*[{"$result": "a", "pointer": "/0" * depth} for depth in range(20)])
    with pytest.raises(NotResolved, match="1 MiB together"):
        one.take(Result("a", json.dumps(nested)))
    assert one.size <= MAX_ARGUMENT_BYTES + 100_100


def test_results_that_are_only_looked_into_are_bounded_too() -> None:
    one = filling(*[{"$result": f"s{n}", "pointer": "/0"} for n in range(40)])
    text = json.dumps([1, "x" * 1_000_000])
    few = MAX_READ_BYTES // len(text)
    for n in range(few):
        one.take(Result(f"s{n}", text))
    with pytest.raises(NotResolved, match="larger than 32 MiB together"):
        one.take(Result(f"s{few}", text))
    assert len(one.texts) == few


def test_a_result_is_parsed_once_however_many_pointers_lead_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = filling(*[{"$result": "a", "pointer": f"/{n}"} for n in range(MAX_REFERENCES)])
    parsed: list[str] = []
    loads = json.loads

    def counted(text: str) -> Any:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr(json, "loads", counted)
    one.take(Result("a", json.dumps(list(range(MAX_REFERENCES)))))
    assert (len(one.texts), len(parsed)) == (MAX_REFERENCES, 1)


def test_more_references_than_a_step_may_hold_are_not_followed() -> None:
    assert sum(references_in(json.dumps([{"$result": "a"}] * MAX_REFERENCES)).values()) == MAX_REFERENCES
    with pytest.raises(NotResolved, match="more than 1,000 times"):
        references_in(json.dumps([{"$result": "a"}] * MAX_REFERENCES), json.dumps({"one": {"$result": "more"}}))


@pytest.mark.parametrize("pointer", ["/" + "x" * MAX_POINTER_LENGTH, "/0" * (MAX_POINTER_DEPTH + 1)])
def test_long_and_deep_pointers_are_refused_at_the_door_and_not_followed_behind_it(pointer: str) -> None:
    reference = {"$result": "a", "pointer": pointer}
    with pytest.raises(InvalidRequest, match="at most"):
        list(find([reference], "task_args"))
    with pytest.raises(NotResolved, match="cannot be followed"):
        references_in(json.dumps([reference]))


def test_a_result_too_deep_to_be_parsed_is_no_value() -> None:
    with pytest.raises(NotResolved, match="nested too deeply"):
        Result("a", "[" * 100_000 + "]" * 100_000).read(Reference("a", "/0"))


@pytest.mark.parametrize("argument", ["$result", 1, None, {}, []])
def test_what_is_no_object_refers_to_nothing(argument: Any) -> None:
    assert list(find(argument, "task_args")) == []
    assert references_in(json.dumps([argument])) == {}


@pytest.mark.parametrize("text", ["", "{", "NaN,"])
def test_a_result_that_is_no_json_is_named_by_its_step(text: str) -> None:
    with pytest.raises(NotResolved, match="The result of step 'a' cannot be read: "):
        Result("a", text).read(Reference("a", "/0"))
