"""`celeriac settings`: every setting with its variable, its value without secrets, and its meaning."""

from rich.console import Console
from rich.table import Column, Table

from cli.configuration import masked, read_settings, variable
from cli.options import Json
from cli.terminal import line_of, print_json
from settings import Settings


def command(as_json: Json = False) -> None:
    """Print every setting, without secrets."""
    rows = _rows(read_settings())
    if as_json:
        print_json(rows, indent=2)
        return
    table = Table("variable", Column("value", overflow="fold"), Column("meaning", overflow="fold"), box=None)
    for row in rows:
        table.add_row(*(line_of(cell or "-") for cell in row.values()))
    Console().print(table)


def _rows(settings: Settings) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        text = None if value is None else masked(name, value)
        rows.append({"variable": variable(name), "value": text, "meaning": field.description})
    return rows
