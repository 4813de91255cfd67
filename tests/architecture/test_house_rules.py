"""Rules of the house that no linter knows. What violates one wants to be two things, or stands in the wrong room."""

import ast
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tools.code_map import ROOMS

ROOT = Path(__file__).parents[2]
DOORS = ("api", "cli", "loops", "mirror")
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
COMMITS = {"begin", "commit"}
GROUP_COMMIT = Path("services/resident/submission_batcher.py")


def modules(*rooms: str) -> list[Path]:
    """The Python files of these rooms, relative to the repository."""
    return sorted(path.relative_to(ROOT) for room in rooms for path in (ROOT / room).rglob("*.py"))


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def imports(module: Path) -> Iterator[str]:
    """Full names of the modules that this one imports."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls(module: Path) -> Iterator[tuple[str, str]]:
    """What is called in the module, as (object, method) or ("", function)."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Attribute):
                yield ast.unparse(name.value), name.attr
            elif isinstance(name, ast.Name):
                yield "", name.id


def functions(module: Path) -> Iterator[tuple[str, int]]:
    """Each function of the module with its number of lines."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_rooms_are_found() -> None:
    assert all(modules(room) for room in ROOMS)


def test_every_module_says_what_lives_in_it() -> None:
    filled = [module for module in modules(*ROOMS) if parsed(module).body]
    assert [str(module) for module in filled if not ast.get_docstring(parsed(module))] == []


def test_every_file_can_be_read_in_one_go() -> None:
    lengths = {str(module): len((ROOT / module).read_text().splitlines()) for module in modules(*ROOMS)}
    assert {module: length for module, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_function_fits_on_a_screen() -> None:
    lengths = {f"{module}:{name}": length for module in modules(*ROOMS) for name, length in functions(module)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_the_rules_import_the_standard_library_and_each_other() -> None:
    allowed = sys.stdlib_module_names | {"domain"}
    found = {(str(module), name) for module in modules("domain") for name in imports(module)}
    assert {(module, name) for module, name in found if name.split(".")[0] not in allowed} == set()


def test_a_route_knows_no_sql() -> None:
    found = [(module, name) for module in modules("api/routes") for name in imports(module)]
    assert found
    # A connection is what a route hands on.
    assert [(m, n) for m, n in found if n.split(".")[0] == "sqlalchemy" and n != "sqlalchemy.ext.asyncio"] == []
    assert [module for module in modules("api/routes") if ("", "text") in calls(module)] == []


def test_only_doors_and_the_group_commit_of_submissions_commit() -> None:
    inside = [module for module in modules(*ROOMS) if module.parts[0] not in DOORS and module != GROUP_COMMIT]
    # `store/migrate.py` is a command line's: it opens an engine of its own.
    inside.remove(Path("store/migrate.py"))
    found = {
        (str(module), f"{owner}.{method}")
        for module in inside
        for owner, method in calls(module)
        if owner and method in COMMITS
    }
    # What goes past SQLAlchemy begins, as SQLAlchemy would, what a door then ends.
    assert found == {("store/together.py", "connection.begin")}


def test_imports_go_one_way() -> None:
    lint_imports = shutil.which("lint-imports", path=Path(sys.executable).parent)
    assert lint_imports, "import-linter is not installed"
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


BARE = {"create_task", "ensure_future", "Thread", "ThreadPoolExecutor", "ProcessPoolExecutor", "TaskGroup", "Process"}
AWAITED = {
    # Tasks of one request, scrape or look, which their caller waits for or which say what became of them.
    ("api/pages/csv_export.py", "create_task"): 1,
    ("api/streams/endless.py", "create_task"): 1,
    ("api/health/scrapes.py", "create_task"): 1,
    ("api/resilience/guard.py", "ensure_future"): 1,
    ("api/middleware/rate_limit.py", "create_task"): 1,
    ("services/components.py", "create_task"): 1,
    ("services/resident/submission_batcher.py", "ensure_future"): 1,
    # `up`: its start, its stop signal, and one question of the supervisor.
    ("cli/up.py", "create_task"): 2,
    ("cli/supervisor.py", "ensure_future"): 1,
    # The two halves of a watched task.
    ("mirror/main.py", "create_task"): 2,
    # One thread for blocking calls, looked at before each of them.
    ("gateway/threads.py", "ThreadPoolExecutor"): 1,
    # Threads of the standard library's pool for one piece of work each, whose caller waits for it.
    ("gateway/guarded_http.py", "ThreadPoolExecutor"): 1,
    ("api/bodies/reading.py", "ThreadPoolExecutor"): 1,
    ("api/dependencies.py", "ThreadPoolExecutor"): 1,
    # The plugin has nothing of ours; its thread begins anew by itself.
    ("workers/celeriac_worker/life_thread.py", "Thread"): 1,
}
"""What is started without `background.py`. Add to it only what nobody misses once its caller is gone."""


def test_what_outlives_its_caller_is_started_where_its_end_is_noticed() -> None:
    found = Counter(
        (str(module), name)
        for module in modules(*ROOMS)
        for owner, name in calls(module)
        if name in BARE and owner != "psutil"
    )
    assert found == AWAITED
