"""Pickles read as data, by a reader that knows no names: nothing in them is looked up, called or built.

Workers that accept nothing but pickle reply in it. Python's own unpickler would do whatever a reply says; this reader
knows lists, tuples, dicts, texts and numbers, and refuses the rest. Of names it takes the two that stand for a plain
dict: Celery counts in a `Counter`.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

MOST_BYTES = 1024 * 1024
MOST_PARTS = 300_000
"""How many opcodes, and values referred to, are read: forty lists that each hold the next one twice are 10^12."""
DICTS = frozenset({"collections Counter", "collections OrderedDict"})

NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"}
TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
VALUES = {"NONE", "NEWTRUE", "NEWFALSE", "BINBYTES", "SHORT_BINBYTES", *NUMBERS, *TEXTS}
CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class NotPlainError(ValueError):
    """Says that it is no pickle, is too large, or holds more than plain data."""


def read(body: bytes) -> Any:
    """Return the data in this pickle. Raises NotPlainError."""
    if len(body) > MOST_BYTES:
        raise NotPlainError("too large")
    reader = _Reader()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(body)):
            if number > MOST_PARTS:
                raise NotPlainError("too many parts")
            reader.take(opcode.name, argument)
        (data,) = reader.stack
    except NotPlainError:
        raise
    except Exception as error:  # whatever is wrong with it: cut off, out of order, or no pickle at all
        raise NotPlainError(type(error).__name__) from None
    return data


class _Name(str):
    """A name that stands for a dict until it is given its items."""

    __slots__ = ()


class _Reader:
    """The stack machine that a pickle is written for, as far as data need it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._copies = 0
        self._does: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._marks.append(len(self.stack)),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "LIST": lambda: self.stack.append(self._since_mark()),
            "TUPLE": lambda: self.stack.append(tuple(self._since_mark())),
            "DICT": lambda: self.stack.append(_dict_of(self._since_mark())),
            "APPEND": lambda: self._extend(self._drop(1)),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._update(self._drop(2)),
            "SETITEMS": lambda: self._update(self._since_mark()),
            "STACK_GLOBAL": lambda: self._name(" ".join(self._drop(2))),
            "REDUCE": self._make_dict,
        }

    def take(self, opcode: str, argument: Any) -> None:
        """One step. Raises NotPlainError for what is no data, and whatever else for what is out of order."""
        if opcode in VALUES:
            self.stack.append(CONSTANTS.get(opcode, argument))
        elif opcode in PUTS:
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif opcode in GETS:
            self.stack.append(self._copied(self._memo[argument]))
        elif opcode in TUPLES:
            self.stack.append(tuple(self._drop(TUPLES[opcode])))
        elif opcode == "GLOBAL":
            self._name(argument)
        elif opcode in self._does:
            self._does[opcode]()
        elif opcode not in IGNORED:
            raise NotPlainError(opcode)

    def _copied(self, value: Any) -> Any:
        """What is referred to again stands there again, so that the data are never more than what is read."""
        self._copies += 1
        if self._copies > MOST_PARTS:
            raise NotPlainError("too many parts")
        if isinstance(value, list | tuple):
            return type(value)(map(self._copied, value))
        if isinstance(value, dict):
            return {key: self._copied(item) for key, item in value.items()}
        return value

    def _drop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise NotPlainError("out of order")
        dropped = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return dropped

    def _since_mark(self) -> list[Any]:
        return self._drop(len(self.stack) - self._marks.pop())

    def _extend(self, items: list[Any]) -> None:
        _of(list, self.stack[-1]).extend(items)

    def _update(self, items: list[Any]) -> None:
        _of(dict, self.stack[-1]).update(_dict_of(items))

    def _name(self, name: str) -> None:
        if name not in DICTS:
            raise NotPlainError("a name")
        self.stack.append(_Name(name))

    def _make_dict(self) -> None:
        name, arguments = self._drop(2)
        if not isinstance(name, _Name) or len(arguments) > 1:
            raise NotPlainError("a call")
        self.stack.append(dict(_of(dict, arguments[0])) if arguments else {})


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise NotPlainError("out of order")
    return value


def _dict_of(items: list[Any]) -> dict[Any, Any]:
    """Make a dict of keys and values in turn. Keys are texts and numbers: the hash of a tuple goes as deep as the
    tuple.
    """
    keys = items[::2]
    if not all(isinstance(key, str | int | float | None) for key in keys):
        raise NotPlainError("a key")
    return dict(zip(keys, items[1::2], strict=True))
