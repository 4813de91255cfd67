"""`make map` writes docs/map.md: every noun with its files, tables, routes, loops and Redis keys, read from the code.

A noun is a heading with the words by which its files are known. What matches several belongs to the first. Beside each
file stands the first sentence of its docstring. A test compares the page with the code, so a file that moves is a line
that moves.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
METRICS_PATH = "/metrics"
"""The one path of a route that its file names by a constant."""
PAGE = REPOSITORY / "docs" / "map.md"
ROOMS = ("api", "mirror", "loops", "cli", "services", "store", "gateway", "domain", "tasks", "workers")

NOUNS: Mapping[str, str] = {
    "The plugin for workers": "celeriac_worker",
    "Beside somebody's app": "beside",
    "Hidden values": "redaction reveal reveals",
    "Requests": "middleware requests request rate protocol routing handlers errors openapi links docs_pages "
    "dashboard_pages large_answers origins own_origins scopes "
    "declarations dependencies base types debug version json_values",
    "Notifications": "notification notifications notifying reach",
    "Alerts": "alert alerts",
    "Workflows": "workflow workflows dag steps step references drawing graph graphs",
    "Search": "search filters filter presets preset",
    "Lists": "pages page cursors csv",
    "Counts and trends": "rollup rollups trends percentiles analytics dashboard histograms grid counters counted",
    "Cancels": "cancel cancels cancelled",
    "Lost tasks": "sweep rescue strays unsettled proofs doubts doubt orphans absences recall lost missed dead stuck "
    "vanished confirmed suspects unacked withdrawal message_mover mover",
    "Health and metrics": "health probe checks lives life signs components metrics measurements figures fleet scrapes "
    "host inspection process",
    "Degradation": "degradation degraded resilience gate guard breakers breaker last_answers answers",
    "Retention": "retention partitions expiry",
    "Submissions": "submission submissions batcher idempotency replay replays bodies body",
    "Dispatch": "dispatch outbox refused refusals publisher envelopes priority run",
    "Results": "result results",
    "Events and their fold": "event events facts fold merge record history deliveries attempts timeline gaps mirror "
    "decode writer writing identities clocks states stream exceptions compare comparisons endings tree trees",
    "Queues": "queue queues",
    "Workers": "worker workers node nodes consumers control drains drain presence paused pause descriptions mailbox "
    "replies strangers shared layout promises prefixes limits capacity",
    "Tasks": "task tasks",
    "Brokers and servers": "broker servers urls url senders rights networks embedded gateway",
    "The database": "engine listener migrate leadership batch tables transactions ages",
    "Loops": "loop loops",
    "The command line": "cli celeriac_command",
    "API keys": "api_keys drawing key_ring principals failed_keys turned_away",
    "Signing in": "session sessions session_book session_cookie sign_ins oidc issuer",
    "The audit": "audit audit_seals seals authorship audit_key",
    "Encryption": "at_rest reencryption encryption encrypt opening payloads",
    "Every process": "settings background logs celeryconfig app secrets redis_keys printable sentences",
}
OTHERS = "The rest"
OURS = ("api", "mirror", "loops", "services", "store", "gateway", "domain")
"""The places where keys of Redis are named; the command line only tries whether it has rights to them."""
ONLY_TRIED = "celeriac:nobody"
"""A key that nobody ever writes."""


@dataclass
class NounEntry:
    """What is known of one noun."""

    files: dict[str, str] = field(default_factory=dict)
    """What lives in each file, by the path of the file."""
    tables: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(render())


def render() -> str:
    """Return the text of docs/map.md, as the code is now."""
    entries = {noun: NounEntry() for noun in (*NOUNS, OTHERS)}
    for path in _modules():
        entries[noun_of(path.as_posix().removesuffix(".py"))].files[path.as_posix()] = _first_sentence(path)
    for table in _tables():
        entries[noun_of(table)].tables.append(table)
    for route in routes():
        entries[noun_of(re.sub(r"{\w+}", "", route))].routes.append(route)
    for loop, file in loops().items():
        entries[noun_of(file.removesuffix(".py"))].loops.append(f"`{loop}` (`{file}`)")
    for key in redis_keys():
        entries[noun_of(key)].keys.append(key)
    known = ((noun, entry) for noun, entry in entries.items() if entry.files)
    return HEAD + "".join(_section(noun, entry) for noun, entry in sorted(known, key=_order))


HEAD = """# Map of the code

`make map` writes this page from the code, and a test compares the two. To find a behaviour, look for its noun below and
read what lives in its files. The folder says what a file answers:

| Folder | Open it to learn |
|---|---|
| `api/` | what a client may send, and what it gets |
| `services/` | what is done, one verb a function |
| `domain/` | by which rule; no I/O |
| `store/` | by which SQL, in which tables |
| `gateway/` | what is said to Celery, to the broker and to the result backend |
| `loops/` | what is done again and again, and by which proof |
| `mirror/` | how an event of Celery is heard and written |
| `cli/` | what a command does, and how processes start |
| `tasks/` | which tasks ship with Celeriac |
| `workers/` | what the plugin does inside a worker |

A loop has the name that its log lines and this documentation use; the file stands behind it. The
[glossary](glossary.md) says what each word means, [Finding your way](finding-your-way.md) answers ten questions with
this map. `ARCHITECTURE.md` says how the rooms work together, and `CONTRIBUTING.md` what to change for a new endpoint,
event, table, loop or setting.
"""


def _order(item: tuple[str, NounEntry]) -> tuple[bool, str]:
    return item[0] == OTHERS, item[0]


def noun_of(name: str) -> str:
    """Return the first noun one of whose words is a part of this path or name."""
    parts = re.split(r"[^\w]+", name)
    folders = {*parts[1:-1]} & {"workers", "workflows"} if name[0].islower() else set()
    words = {*parts, *(word for part in parts for word in part.split("_"))}
    found = [noun for noun, its_words in NOUNS.items() if not words.isdisjoint(its_words.split())]
    # What is in the folder of a noun may have any name; a route begins with its method.
    return next((noun for noun in found if folders & {*NOUNS[noun].split()}), next(iter(found), OTHERS))


def _section(noun: str, entry: NounEntry) -> str:
    lines = [f"\n## {noun}\n\n| File | What lives in it |\n|---|---|\n"]
    lines += [f"| `{path}` | {sentence} |\n" for path, sentence in entry.files.items()]
    names = {
        "Tables": _coded(entry.tables),
        "Routes": _coded(entry.routes),
        "Loops": entry.loops,
        "Keys in Redis": _coded(entry.keys),
    }
    lines += [f"\n**{title}**: {', '.join(values)}\n" for title, values in names.items() if values]
    return "".join(lines)


def _coded(names: Sequence[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _modules() -> Iterator[Path]:
    for path in sorted(REPOSITORY.glob("*.py")):
        yield path.relative_to(REPOSITORY)
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            inside = path.relative_to(REPOSITORY)
            if path.name != "__init__.py" and "migrations" not in inside.parts and "build" not in inside.parts:
                yield inside


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse((REPOSITORY / path).read_text())) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.;]) (?=[A-Z`a-z])", paragraph, maxsplit=1)[0].rstrip(".;").replace("|", r"\|")


def _tables() -> list[str]:
    """The first argument of every `Table(...)`; where that is a variable, the texts that it goes through."""
    names: set[str] = set()
    for path in sorted((REPOSITORY / "store" / "tables").glob("*.py")):
        tree = ast.parse(path.read_text())
        names |= {_first_text(call) for call in _calls(tree) if _name(call) == "Table"}
        for node in ast.walk(tree):
            if isinstance(node, ast.GeneratorExp) and ast.unparse(node.elt).startswith("Table("):
                names |= {_text_of(each) for each in ast.walk(node.generators[0].iter)}
    return sorted(names - {""})


def routes() -> Iterator[str]:
    """Each route as `GET /tasks/{task_id}`."""
    for path in sorted((REPOSITORY / "api" / "routes").rglob("*.py")):
        tree = ast.parse(path.read_text())
        prefix = next((_first_text(call) for call in _calls(tree) if _name(call) == "api_router"), "")
        for node in ast.walk(tree):
            for decorator in getattr(node, "decorator_list", ()):
                if isinstance(decorator, ast.Call) and _name(decorator).startswith("router."):
                    verb = _name(decorator).removeprefix("router.").upper()
                    yield f"{verb} {prefix + _first_text(decorator) or METRICS_PATH}"


def loops() -> dict[str, str]:
    """Return the file of each loop, by the loop's name, as `loops/main.py` puts them together."""
    tree = ast.parse((REPOSITORY / "loops" / "main.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    files = {name.name: f"{str(node.module).replace('.', '/')}.py" for node in imports for name in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(node.returns, ast.Name):
            files[node.name] = files.get(node.returns.id, "")
    made = dict(_assigned(tree))
    rounds = {_first_text(call): call.args[1] for call in _calls(tree) if _name(call) == "Loop"}
    return {loop: files[_class_of(made.get(ast.unparse(made_by), made_by))] for loop, made_by in rounds.items()}


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Each name with what is assigned to it, alone or as one of several."""
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign)):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(map(ast.unparse, target.elts), node.value.elts, strict=True)
            else:
                yield ast.unparse(target), node.value


def _class_of(made_by: ast.expr) -> str:
    made_by = made_by.value if isinstance(made_by, ast.Await) else made_by
    return _name(made_by) if isinstance(made_by, ast.Call) else ast.unparse(made_by)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _first_text(call: ast.Call) -> str:
    return _text_of(call.args[0]) if call.args else ""


def redis_keys(*, of_plugin: bool | None = None) -> list[str]:
    """Return the names of our keys, with `<...>` for what differs; of the plugin, of the rest, or of both."""
    rooms = {True: ("workers",), False: OURS, None: (*OURS, "workers")}[of_plugin]
    paths = [path for room in rooms for path in (REPOSITORY / room).rglob("*.py")]
    keys = sorted({key for path in paths for key in _keys(path)} - {ONLY_TRIED})
    by_shape = {shape_of(key): key for key in reversed(keys)}
    return sorted(by_shape.values())


def shape_of(key: str) -> str:
    """Return the key without the words for what differs."""
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
