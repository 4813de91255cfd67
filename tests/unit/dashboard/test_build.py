"""What is committed of the dashboard is the build of its sources, small enough, and names no other host."""

import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest

from tools.dashboard import PACKAGES, RECORD, ROOM, STATIC, build, digests_of_inputs, node_folder

FIRST_LOAD_BYTES = 95 * 1024
MOST_REQUESTS = 12
PAGE_BYTES = 25 * 1024
PLOT_BYTES = 30 * 1024
ALL_BYTES = 700 * 1024
HOSTS = re.compile(rb"https?://[\w.-]+")
NAMES = {b"http://www.w3.org", b"https://www.w3.org", b"http://localhost"}
"""No addresses: namespaces of XML, and what a URL of no host begins with."""


def packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), mtime=0))


def test_the_committed_build_is_of_these_sources() -> None:
    recorded = json.loads((STATIC / RECORD).read_text())["inputs"]
    assert recorded == digests_of_inputs(), "run `make dashboard` and commit what it builds"


def test_the_first_load_fits() -> None:
    """The page, and all that it and the overview need before anything is shown."""
    page = (STATIC / "index.html").read_text()
    named = {STATIC / name for name in re.findall(r'(?:src|href)="(?:\./)?([\w/.-]+\.(?:js|css))"', page)}
    overview = {STATIC / name for name in json.loads((STATIC / "pages.json").read_text())["/"]}
    files = needed(named | overview) | {STATIC / "index.html"}
    assert len(files) <= MOST_REQUESTS
    assert sum(map(packed, files)) <= FIRST_LOAD_BYTES


def test_pages_name_all_that_they_import() -> None:
    """What they did not name would be found only once they run."""
    frame = needed({STATIC / "assets" / path.name for path in (STATIC / "assets").glob("index-*.js")})
    for files in json.loads((STATIC / "pages.json").read_text()).values():
        named = {STATIC / name for name in files}
        assert needed(named) - frame == named - frame


def needed(files: set[Path]) -> set[Path]:
    """These and what they import at once, with all that that imports."""
    found = set(files)
    for path in files:
        if path.suffix == ".js":
            imports = re.findall(r'(?:from|import)"\./([\w-]+\.js)"', path.read_text())
            found |= {path.parent / name for name in imports}
    return found if found == files else needed(found)


def test_each_part_and_the_whole_fit() -> None:
    first = re.findall(r"assets/[\w-]+\.js", (STATIC / "index.html").read_text())
    parts = {path.name: packed(path) for path in (STATIC / "assets").glob("*.js") if f"assets/{path.name}" not in first}
    limits = {name: PLOT_BYTES if name.startswith(("plot-", "part-")) else PAGE_BYTES for name in parts}
    assert {name: size for name, size in parts.items() if size > limits[name]} == {}
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) <= ALL_BYTES


def test_no_address_of_another_host_is_in_the_build() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in {".js", ".css", ".html", ".svg", ".json"}:
            assert set(HOSTS.findall(path.read_bytes())) <= NAMES, path.name
    assert "resolved" not in (ROOM / "package-lock.json").read_text()


@pytest.mark.skipif(node_folder() is None or not PACKAGES.exists(), reason="no Node or no packages: make dashboard")
def test_a_build_anew_is_the_same_to_the_byte(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    build(folder)
    built, committed = files_of(folder), files_of(STATIC)
    assert built.keys() == committed.keys()
    assert [name for name in built if built[name] != committed[name]] == []


@pytest.mark.skipif(node_folder() is None, reason="no Node")
def test_the_logic_of_the_page_holds() -> None:
    """Node's own runner, which takes types away by itself: no package is needed."""
    node = (node_folder() or Path()) / "bin" / "node"
    tests = sorted(str(path.relative_to(ROOM)) for path in (ROOM / "tests").glob("*.test.ts"))
    assert tests
    done = subprocess.run([node, "--test", *tests], cwd=ROOM, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
