"""The compiled requirements against an index that has moved on.

The pip that a Python brings takes the pinned pip, and that one the pins of everything else: Python 3.11.0 came with
pip 22.3, 3.12.0 with 23.2.1 and 3.13.0 with 24.2. In the index every package is an empty wheel with the dependencies of
the real one, and beside the pinned release there is a newer one.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import metadata, version
from pathlib import Path
from threading import Thread

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OLDEST_PIPS = {
    "22.3": "1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "23.2.1": "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
    "24.2": "2cd581cf58ab7fcfca4ce8efa6dcacd0de5bf8d0a3eb9ec927e07405f4d9e2a2",
}
NEWER = "99999.1"
PIN = re.compile(
    r"^(?P<name>[^\s\[=]+)(?P<extras>\[[^\]]+\])?==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a compiled file that holds on this machine."""

    name: str
    extras: str
    version: str


def pins_of(file_name: str) -> list[Pin]:
    found = PIN.finditer((ROOT / "requirements" / file_name).read_text())
    return [
        Pin(pin["name"], pin["extras"] or "", pin["version"])
        for pin in found
        if pin["marker"] is None or Marker(pin["marker"]).evaluate()
    ]


def write_wheel(folder: Path, pin: Pin, *, version: str) -> Path:
    """An empty wheel of this version that asks for what the installed distribution asks for."""
    stem = f"{pin.name.replace('-', '_').replace('.', '_')}-{version}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    real = metadata(pin.name)
    asked = [f"{key}: {value}" for key in ("Requires-Dist", "Provides-Extra") for value in real.get_all(key) or ()]
    files = {
        f"{stem}.dist-info/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {pin.name}", f"Version: {version}", *asked, ""]
        ),
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{stem}.dist-info/RECORD"] = "\n".join([*record, f"{stem}.dist-info/RECORD,,", ""])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Index:
    """Where all pinned releases are, and newer ones, and the compiled file with the hashes of those pinned."""

    url: str
    pins: list[Pin]
    requirements: Path

    def chosen_by(self, pip: list[str], report: Path) -> dict[str, str]:
        """What this pip would install, by name."""
        options = ["--dry-run", "--ignore-installed", "--require-hashes", "--no-cache-dir", "--quiet"]
        what = ["--index-url", self.url, "--requirement", str(self.requirements), "--report", str(report)]
        # Nothing of how this machine's pip is set up.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        done = subprocess.run(
            [*pip, "install", *options, *what],
            env=environment | {"PIP_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        planned = [each["metadata"] for each in json.loads(report.read_text())["install"]]
        return {canonicalize_name(each["name"]): each["version"] for each in planned}

    @property
    def pinned(self) -> dict[str, str]:
        return {canonicalize_name(pin.name): pin.version for pin in self.pins}


@contextmanager
def index_for(file_name: str, folder: Path) -> Iterator[Index]:
    """An index on loopback for this compiled file."""
    pins = pins_of(file_name)
    lines = []
    for pin in pins:
        shelf = folder / "simple" / canonicalize_name(pin.name)
        shelf.mkdir(parents=True)
        pinned = write_wheel(shelf, pin, version=pin.version)
        write_wheel(shelf, pin, version=NEWER)
        digest = hashlib.sha256(pinned.read_bytes()).hexdigest()
        lines.append(f"{pin.name}{pin.extras}=={pin.version} --hash=sha256:{digest}\n")
    requirements = folder / file_name
    requirements.write_text("".join(lines))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Index(f"http://127.0.0.1:{server.server_port}/simple", pins, requirements)
        server.shutdown()
        thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    """Its listings of folders are pages as pip reads them."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=OLDEST_PIPS)
def old_pip(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The command of a pip of this version, which comes from where the packages of this machine come from."""
    version = request.param
    kept = request.config.cache.mkdir("pips") / f"pip-{version}-py3-none-any.whl"
    if not kept.exists():
        wanted = tmp_path / "pip.txt"
        wanted.write_text(f"pip=={version} --hash=sha256:{OLDEST_PIPS[version]}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--dest", str(tmp_path), "--requirement", str(wanted)], check=True, timeout=100)
        (tmp_path / kept.name).rename(kept)
    return [sys.executable, str(kept / "pip")]


def test_every_pip_takes_the_pinned_installer(old_pip: list[str], tmp_path: Path) -> None:
    with index_for("installer.txt", tmp_path) as index:
        assert index.chosen_by(old_pip, tmp_path / "report.json") == index.pinned


@pytest.mark.parametrize("file_name", ["run.txt", "dev.txt"])
def test_newer_releases_change_nothing_for_the_pinned_installer(file_name: str, tmp_path: Path) -> None:
    assert [pin.version for pin in pins_of("installer.txt")] == [version("pip")]
    with index_for(file_name, tmp_path) as index:
        assert index.chosen_by([sys.executable, "-m", "pip"], tmp_path / "report.json") == index.pinned
