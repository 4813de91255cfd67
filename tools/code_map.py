"""`make map` writes docs/map.md: every noun with its files, tables, routes, loops and Redis keys, read from the code.

A noun is a heading with the words by which its files are known. What matches several belongs to the first. A test
compares the page with the code, so a file that moves is a line that moves.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "map.md"
ROOMS = ("api", "mirror", "loops", "cli", "services", "store", "gateway", "domain", "tasks", "workers")

NOUNS: Mapping[str, str] = {
    "The plugin for workers": "celeriac_worker",
    "Beside somebody's app": "beside",
    "Requests": "middleware requests request rate protocol routing handlers errors openapi links docs_pages "
    "large_answers origins own_origins scopes",
    "Alerts": "alert alerts",
    "Workflows": "workflow workflows dag steps step references drawing graph graphs",
    "Search": "search filters filter presets preset",
    "Lists": "pages page cursors csv",
    "Counts and trends": "rollup rollups trends analytics dashboard histograms grid counters counted",
    "Cancels": "cancel cancels cancelled",
    "Lost tasks": "sweep rescue strays unsettled proofs doubts doubt orphans absences recall lost missed dead stuck "
    "vanished confirmed suspects unacked withdrawal",
    "Health and metrics": "health probe checks lives life signs components metrics measurements figures fleet scrapes "
    "host inspection process",
    "Degradation": "degradation degraded resilience gate guard breakers breaker last_answers answers",
    "Retention": "retention partitions expiry",
    "Submissions": "submission submissions batcher idempotency replay replays bodies body",
    "Dispatch": "dispatch outbox refused refusals publisher envelopes priority run",
    "Results": "result results",
    "Events and their fold": "event events facts fold merge record history deliveries attempts timeline gaps mirror "
    "decode writer identities clocks states stream compare comparisons endings tree trees",
    "Queues": "queue queues",
    "Workers": "worker workers node nodes consumers control drains drain presence paused pause descriptions mailbox "
    "replies strangers shared layout promises prefixes limits",
    "Tasks": "task tasks",
    "Brokers and servers": "broker servers urls url senders rights networks embedded gateway",
    "The database": "engine listener migrate leadership batch tables",
    "The command line": "cli",
}
OTHERS = "The rest"
OURS = ("api", "mirror", "loops", "services", "store", "gateway", "domain")
"""Where keys of Redis are named; the command line only tries whether it has rights to them."""
ONLY_TRIED = "celeriac:nobody"
"""Nobody ever writes it."""


@dataclass
class Entry:
    """What is known of one noun."""

    files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Paths by room."""
    tables: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(render())


def render() -> str:
    """The text of docs/map.md, as the code is now."""
    entries = {noun: Entry() for noun in (*NOUNS, OTHERS)}
    for path in _modules():
        entries[noun_of(path.as_posix().removesuffix(".py"))].files[path.parts[0]].append(path.as_posix())
    for table in _tables():
        entries[noun_of(table)].tables.append(table)
    for route in _routes():
        entries[noun_of(re.sub(r"{\w+}", "", route))].routes.append(route)
    for loop in _loops():
        entries[noun_of(loop)].loops.append(loop)
    for key in redis_keys():
        entries[noun_of(key)].keys.append(key)
    return HEAD + "".join(_section(noun, entry) for noun, entry in sorted(entries.items(), key=_order))


HEAD = """# Map of the code

`make map` writes this page from the code, and a test compares the two. To find a behaviour, look for its noun here and
open the room that fits the question: `api/` for what a client sends and gets, `services/` for what is done, `domain/`
for the rule, `store/queries/` for the SQL, `gateway/` for what is said to Celery, `loops/` for what is done again and
again. `ARCHITECTURE.md` says what each room is for, and the [glossary](glossary.md) what each word means.
"""


def _order(item: tuple[str, Entry]) -> tuple[bool, str]:
    return item[0] == OTHERS, item[0]


def noun_of(name: str) -> str:
    """The first noun one of whose words is a part of this path or name."""
    parts = re.split(r"[^\w]+", name)
    words = {*parts, *(word for part in parts for word in part.split("_"))}
    return next((noun for noun, known in NOUNS.items() if not words.isdisjoint(known.split())), OTHERS)


def _section(noun: str, entry: Entry) -> str:
    lines = [f"\n## {noun}\n\n| | |\n|---|---|\n"]
    for room in ROOMS:
        if entry.files.get(room):
            lines.append(_row(f"`{room}/`", entry.files[room]))
    for title in ("tables", "routes", "loops", "keys"):
        found = getattr(entry, title)
        if found:
            lines.append(_row("keys in Redis" if title == "keys" else title, found))
    return "".join(lines)


def _row(title: str, names: list[str]) -> str:
    return f"| {title} | {', '.join(f'`{name}`' for name in names)} |\n"


def _modules() -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            inside = path.relative_to(REPOSITORY)
            if path.name != "__init__.py" and "migrations" not in inside.parts and "build" not in inside.parts:
                yield inside


def _tables() -> list[str]:
    """The first argument of every `Table(...)`; where that is a variable, the texts that it goes through."""
    found: set[str] = set()
    for path in sorted((REPOSITORY / "store").glob("*tables.py")):
        tree = ast.parse(path.read_text())
        found |= {_first_text(call) for call in _calls(tree) if _name(call) == "Table"}
        for node in ast.walk(tree):
            if isinstance(node, ast.GeneratorExp) and ast.unparse(node.elt).startswith("Table("):
                found |= {_text_of(each) for each in ast.walk(node.generators[0].iter)}
    return sorted(found - {""})


def _routes() -> Iterator[str]:
    """Each route as `GET /tasks/{task_id}`."""
    for path in sorted((REPOSITORY / "api" / "routes").rglob("*.py")):
        tree = ast.parse(path.read_text())
        prefix = next((_first_text(call) for call in _calls(tree) if _name(call) == "api_router"), "")
        for node in ast.walk(tree):
            for decorator in getattr(node, "decorator_list", ()):
                if isinstance(decorator, ast.Call) and _name(decorator).startswith("router."):
                    verb = _name(decorator).removeprefix("router.").upper()
                    yield f"{verb} {prefix}{_first_text(decorator)}" if prefix else f"{verb} /metrics"


def _loops() -> list[str]:
    tree = ast.parse((REPOSITORY / "loops" / "main.py").read_text())
    return [_first_text(call) for call in _calls(tree) if _name(call) == "Loop"]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _first_text(call: ast.Call) -> str:
    return _text_of(call.args[0]) if call.args else ""


def redis_keys(*, of_plugin: bool | None = None) -> list[str]:
    """The names of our keys in Redis, with `<...>` for what differs; those of the plugin, of the rest, or of both."""
    rooms = {True: ("workers",), False: OURS, None: (*OURS, "workers")}[of_plugin]
    paths = [path for room in rooms for path in (REPOSITORY / room).rglob("*.py")]
    found = sorted({key for path in paths for key in _keys(path)} - {ONLY_TRIED})
    by_shape = {shape_of(key): key for key in reversed(found)}
    return sorted(by_shape.values())


def shape_of(key: str) -> str:
    """The key without the words for what differs."""
    return re.sub(r"<\w*>", "<>", key)


def _keys(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = "" if id(node) in parts else _text_of(node)
        if re.fullmatch(r"\{?celeriac:[\w:<>}]+", text):
            yield f"{text}<node>" if text.endswith(":") else text


def _text_of(node: ast.AST) -> str:
    """The text of a constant, or of an f-string with its places as `<name>`; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"<{ast.unparse(node.value).rpartition('.')[2]}>"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


if __name__ == "__main__":
    main()
