"""What commands show of what servers told them: never as markup, and never so that it steers the terminal.

Whoever may submit a task chooses its name, its arguments and its error; `domain/printable.py` says what is done to
them. As JSON everything is printed as it is: JSON has escapes of its own.
"""

import json
import sys
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.printable import printable, printable_lines


def time_text(time: datetime | None) -> str | None:
    """Return a time in UTC to the second, as the API writes it."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None


def print_json(value: object, *, indent: int | None = None) -> None:
    """Print the value as ASCII; DEL is the one control character that JSON leaves as it is."""
    print(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def print_fields(answer: Mapping[str, Any], *, hidden: Collection[str] = ()) -> None:
    """Print a table of what is known: a name and a value in each row."""
    table = Table(show_header=False, box=None)
    for name, value in answer.items():
        if value is not None and name not in hidden:
            table.add_row(line_of(name), Text(printable_lines(_text(value), indent="")))
    Console(soft_wrap=True).print(table)


def print_text(text: str) -> None:
    """Print one or a few sentences."""
    print(printable_lines(text))


def print_error(text: str) -> None:
    """Print it after our name, on stderr; lines of it cannot pass for others of ours."""
    print(f"celeriac: {printable_lines(text)}", file=sys.stderr, flush=True)


def line_of(value: object, style: str = "") -> Text:
    """Return a value in one line, e.g. for a cell of a table."""
    return Text(printable(_text(value)), style=style)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
