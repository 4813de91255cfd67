import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, BeforeValidator, Field

from api.app import create_app
from api.bodies.shapes import TOGETHER, BodyForm, ListShape, ObjectShape, Shape, shape_of
from api.errors import MAX_FIELD_ERRORS
from api.routing import StrictRoute
from api.schemas.base import RequestModel, ResponseModel
from domain.errors import InvalidRequest
from settings import Settings


class Leaf(RequestModel):
    number: int
    names: Annotated[list[str], Field(max_length=3)] = Field(default=[])


class Tree(RequestModel):
    name: str
    leaf: Leaf | None = None
    leaves: Annotated[list[Leaf], Field(min_length=1, max_length=1_000)]
    anything: list[Any] = Field(default=[])


FORM = BodyForm(Tree)


def flaws(value: Any, form: BodyForm = FORM) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        form.validate(value)
    return refused.value


def fields(value: Any) -> list[str]:
    return [field for field, _ in flaws(value).errors]


def test_a_sound_body_becomes_the_same_model_as_pydantic_makes_of_it() -> None:
    value = {"name": "a", "leaf": {"number": 1}, "leaves": [{"number": 2, "names": ["b"]}] * 3, "anything": [[{}]]}
    assert FORM.validate(value) == Tree.model_validate(value)


def test_all_that_is_wrong_is_named_where_it_is() -> None:
    wrong = {"leaf": {"number": "1"}, "leaves": [{"number": 1}, {}, 7, {"number": 2, "names": [1], "more": 3}], "x": 1}
    assert sorted(fields(wrong)) == sorted(
        ["name", "leaf.number", "leaves.1.number", "leaves.2", "leaves.3.names.0", "leaves.3.more", "x"]
    )


@pytest.mark.parametrize("value", [7, "a", [], [{}], None, True])
def test_a_body_of_another_kind_is_one_flaw(value: Any) -> None:
    assert fields(value) == ["body"]


def test_no_more_is_looked_for_than_is_shown() -> None:
    seen: list[object] = []

    class Seen(RequestModel):
        number: Annotated[int, BeforeValidator(lambda value: seen.append(value) or value)]

    class Many(RequestModel):
        leaves: Annotated[list[Seen], Field(max_length=1_000)]

    refused = flaws({"leaves": [{"number": "x"}] * 1_000}, BodyForm(Many))
    assert len(refused.errors) == MAX_FIELD_ERRORS
    assert refused.detail == "leaves.0.number: Input should be a valid integer (and at least 99 more)"
    assert len(seen) <= 2 * (MAX_FIELD_ERRORS + TOGETHER), "together, and then one by one"


def test_an_object_with_far_too_many_keys_is_not_validated_at_all() -> None:
    assert fields({"name": 1, "leaves": []} | {f"k{number}": 1 for number in range(5_000)}) == [
        f"k{number}" for number in range(MAX_FIELD_ERRORS)
    ]
    inner = flaws({"name": "a", "leaves": [{"number": 1}, {f"k{number}": 1 for number in range(5_000)}]})
    assert len(inner.errors) == MAX_FIELD_ERRORS
    assert inner.errors[0][0] == "leaves.1.k0"


def test_a_list_that_is_too_long_is_one_flaw_whatever_is_in_it() -> None:
    assert fields({"name": "a", "leaves": [{}] * 1_001}) == ["leaves"]
    assert fields({"name": "a", "leaves": [{"number": 1, "names": [7] * 5_000}]}) == ["leaves.0.names"]


def test_names_of_fields_are_cut_and_values_never_told() -> None:
    refused = flaws({"name": "a", "leaves": [{"number": "secret"}], "k" * 100_000: "secret"})
    assert max(len(field) for field, _ in refused.errors) == 200
    assert "secret" not in refused.detail + str(refused.errors)


def _unbounded(shape: Shape | None, place: str) -> list[str]:
    """Lists whose items are judged, and whose number is not."""
    if isinstance(shape, ObjectShape):
        return [found for name, inner in shape.inner.items() for found in _unbounded(inner, f"{place}.{name}")]
    if isinstance(shape, ListShape):
        return ([] if shape.most is not None else [place]) + _unbounded(shape.items, f"{place}.*")
    return []


def test_every_list_in_a_body_of_ours_has_a_greatest_length() -> None:
    routes = [route for route in _routes() if route.body_field is not None]
    assert len(routes) > 8
    for route in routes:
        assert route.body_field is not None
        assert _unbounded(shape_of(route.body_field.field_info.annotation), route.path) == []


def _routes() -> list[StrictRoute]:
    contexts = iter_route_contexts(create_app(Settings()).routes)
    return [context.route for context in contexts if isinstance(context.route, StrictRoute)]


def below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for nearer in model.__subclasses__():
        yield nearer
        yield from below(nearer)


WRONG: tuple[Any, ...] = ([], "a", 5, {}, True, None, [[]], [5], {"a": 5}, [{}], ["a"])
"""Values of every form that JSON has; each fits some fields and not the others."""


def test_nothing_that_is_said_of_a_body_names_our_classes() -> None:
    ours = {model.__name__ for base in (RequestModel, ResponseModel) for model in below(base)}
    bodies = [model for model in below(RequestModel) if model.__module__.startswith("api.")]
    assert len(bodies) > 20
    said: set[tuple[str, str]] = set()
    for model in bodies:
        form = BodyForm(model)
        for value in (*WRONG, *({field: wrong} for field in model.model_fields for wrong in WRONG)):
            try:
                form.validate(value)
            except InvalidRequest as refused:
                said |= set(refused.errors)
    assert ("body", "Input should be an object") in said
    inner = re.compile(rf"\b({'|'.join(ours)})\b|instance of|dictionary|dataclass")
    assert [each for each in said if any(map(inner.search, each))] == []
