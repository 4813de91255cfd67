"""Bodies held against their schema within bounds: what is wrong is said of at most 100 fields, found in bounded time.

pydantic collects every error of a body before anybody may look: a key that no field has is one each, and so is an item
of a list. So objects and lists are measured first, by the schema's own numbers of fields and items, and the items of
lists are validated one by one until enough is wrong. Reading and parsing are in `reading.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from api.errors import MAX_FIELD, MAX_FIELD_ERRORS, sentence
from domain.errors import InvalidRequest

BODY = "body"
TOGETHER = 20
"""How many items are validated in one call: pydantic collects what is wrong with all of them."""
MAX_UNKNOWN_KEYS = 20
"""How many unknown keys of one object pydantic is left to name."""

_NO_OBJECT = "Input should be an object"
_IN_WORDS = dict.fromkeys(("model_type", "model_attributes_type", "dataclass_type", "dict_type"), _NO_OBJECT)
"""What is said in place of pydantic's own words, which name our classes or Python's."""

Place = tuple[str | int, ...]
Shape = Union["ObjectShape", "ListShape"]


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """A model: its fields' names (None where it takes others too), and those fields that have a shape themselves."""

    model: type[BaseModel]
    adapter: TypeAdapter[Any]
    some: TypeAdapter[list[Any]]
    """Validates a list of several of them in one call."""
    names: frozenset[str] | None
    inner: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list: how many items it may have, and what they are where they are models or lists."""

    most: int | None
    items: Shape | None


def shape_of(annotation: Any, metadata: Sequence[Any] = ()) -> Shape | None:
    """Return the shape of a type; None for one whose errors do not grow with the value, such as a text or any JSON."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *own = get_args(annotation)
        # Inside a union pydantic leaves the bounds of `Field` in it.
        bounds = [bound for each in own for bound in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return shape_of(inner, (*bounds, *metadata))
    if origin in (Union, UnionType):
        shapes = [shape_of(choice, metadata) for choice in get_args(annotation)]
        return next((shape for shape in shapes if shape), None)
    if origin is list:
        most = min((bound.max_length for bound in metadata if isinstance(bound, MaxLen)), default=None)
        items = shape_of(get_args(annotation)[0])
        return ListShape(most, items) if most is not None or items else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _object_shape(annotation)
    return None


def _object_shape(model: type[BaseModel]) -> ObjectShape:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    shapes = {name: shape_of(field.annotation, field.metadata) for name, field in fields.items()}
    return ObjectShape(
        model,
        TypeAdapter(model),
        TypeAdapter(list[model]),  # type: ignore[valid-type]
        names=frozenset(fields) if model.model_config.get("extra") == "forbid" else None,
        inner={name: shape for name, shape in shapes.items() if shape},
    )


class BodyForm:
    """The model that the body of a route must fit. Its only use is `validate`, from any thread."""

    def __init__(self, annotation: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        self._shape = shape_of(annotation)

    def validate(self, value: Any) -> Any:
        """Return the value as its model, which pydantic passes on unseen; raises InvalidRequest with 100 errors at
        most.
        """
        flaws = _Flaws()
        if self._shape:
            _measure(value, self._shape, place=(), flaws=flaws)
            flaws.refuse()
            value = _make_models(value, self._shape, place=(), flaws=flaws)
        if flaws.are_enough:
            flaws.refuse()
        try:
            valid = self._adapter.validate_python(value)
        except ValidationError as error:
            flaws.add_all(error, ())
        flaws.refuse()
        return valid


class _Flaws:
    """What is wrong with a body, up to the number that is shown."""

    def __init__(self) -> None:
        self._errors: list[tuple[str, str]] = []
        self.are_enough = False
        """Nobody looks for more."""

    def add(self, place: Place, message: str) -> None:
        if len(self._errors) >= MAX_FIELD_ERRORS:
            self.are_enough = True
        else:
            self._errors.append((field_name(place), message))

    def add_all(self, error: ValidationError, place: Place) -> None:
        # Never the input: it may be a secret.
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            self.add((*place, *problem["loc"]), message_of(problem))

    def refuse(self) -> None:
        """Raises InvalidRequest if there are any."""
        if self._errors:
            raise InvalidRequest(sentence(self._errors, more=self.are_enough), errors=tuple(self._errors))


def field_name(place: Iterable[str | int]) -> str:
    """Return the name of a field as the client wrote it, nested with dots; cut, for it may be of any length."""
    return ".".join(str(segment)[:MAX_FIELD] for segment in place)[:MAX_FIELD] or BODY


def message_of(problem: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors says."""
    message: str = _IN_WORDS.get(problem["type"]) or problem["msg"]
    return message.removeprefix("Value error, ")


def _measure(value: Any, shape: Shape, *, place: Place, flaws: _Flaws) -> None:
    """Finds objects with far more keys than their model has fields, and lists that are too long."""
    if isinstance(shape, ObjectShape):
        if isinstance(value, dict):
            _measure_object(value, shape, place=place, flaws=flaws)
    elif isinstance(value, list):
        _measure_list(value, shape, place=place, flaws=flaws)


def _measure_object(value: dict[str, Any], shape: ObjectShape, *, place: Place, flaws: _Flaws) -> None:
    names = shape.names
    if names is not None and len(value) > len(names) + MAX_UNKNOWN_KEYS:
        for key in islice((key for key in value if key not in names), MAX_FIELD_ERRORS + 1):
            flaws.add((*place, key), "Extra inputs are not permitted")
        return
    for name, inner in shape.inner.items():
        if name in value:
            _measure(value[name], inner, place=(*place, name), flaws=flaws)


def _measure_list(value: list[Any], shape: ListShape, *, place: Place, flaws: _Flaws) -> None:
    if shape.most is not None and len(value) > shape.most:
        flaws.add(place, f"List should have at most {shape.most} items after validation, not {len(value)}")
    elif shape.items:
        for number, item in enumerate(value):
            if _is_plainly_sound(item, shape.items):
                continue
            _measure(item, shape.items, place=(*place, number), flaws=flaws)
            if flaws.are_enough:
                return


def _is_plainly_sound(item: Any, shape: Shape) -> bool:
    """Whether there is nothing to measure in it: said of most items of most batches, before anything costs."""
    if not isinstance(shape, ObjectShape) or shape.inner or not isinstance(item, dict):
        return False
    return shape.names is None or len(item) <= len(shape.names) + MAX_UNKNOWN_KEYS


def _make_models(value: Any, shape: Shape, *, place: Place, flaws: _Flaws) -> Any:
    """The value with the models in its lists made. One that is wrong is noted, and replaced by one that passes."""
    if isinstance(shape, ObjectShape):
        return _settle_object(value, shape, place=place, flaws=flaws) if isinstance(value, dict) else value
    if not isinstance(value, list) or not shape.items:
        return value
    made: list[Any] = []
    for start in range(0, len(value), TOGETHER):
        made += _make_some(value[start : start + TOGETHER], shape.items, place=place, flaws=flaws, start=start)
        if flaws.are_enough:
            break
    return made


def _make_some(items: list[Any], shape: Shape, *, place: Place, flaws: _Flaws, start: int) -> list[Any]:
    """Together, which is a fifth faster, if all of them are sound; else one by one until enough is wrong."""
    if isinstance(shape, ObjectShape) and not shape.inner:
        with suppress(ValidationError):
            return shape.some.validate_python(items)
    made = []
    for number, item in enumerate(items, start):
        made.append(_make_item(item, shape, place=(*place, number), flaws=flaws))
        if flaws.are_enough:
            break
    return made


def _settle_object(value: dict[str, Any], shape: ObjectShape, *, place: Place, flaws: _Flaws) -> dict[str, Any]:
    inner = {
        name: _make_models(value[name], part, place=(*place, name), flaws=flaws)
        for name, part in shape.inner.items()
        if name in value
    }
    return value | inner if inner else value


def _make_item(item: Any, shape: Shape, *, place: Place, flaws: _Flaws) -> Any:
    item = _make_models(item, shape, place=place, flaws=flaws)
    if not isinstance(shape, ObjectShape):
        return item
    try:
        return shape.adapter.validate_python(item)
    except ValidationError as error:
        flaws.add_all(error, place)
        return shape.model.model_construct()
