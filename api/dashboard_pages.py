"""The dashboard's files, read once and answered from memory: its page for every address below `/ui/`, and its assets.

They hold no data, so nobody is asked for a key. Nothing here knows the prefix under which a proxy shows us: every
address that leaves is relative, and the page is told how deep it lies, and which files its address needs.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from api.middleware.scopes import DASHBOARD_PATH

DASHBOARD_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types celeriac"
)
"""Nothing inline, nothing evaluated, nothing from elsewhere. The one policy for trusted types lets through the address
of our own worker."""
PAGE = "index.html"
PAGES = "pages.json"
"""What each address needs beyond what all do; the build writes it, in the order in which addresses are compared."""
BASE_MARK = b'<base href="./"'
HEAD_END = b"</head>"
ASKED_FIRST = '  <link rel="preload" as="fetch" crossorigin href="../api/v1/me">\n'
"""Who looks is asked before anything is drawn: named here, it is known by the time at which the page runs."""
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
COMPRESSED_ALREADY = frozenset({".woff2"})
IMMUTABLE = "public, max-age=31536000, immutable"
"""Said of files whose name holds a hash of what is in them."""
REVALIDATE = "no-cache"
BUILD_LENGTH = 8
MAX_DEPTH = 8
"""Addresses of the dashboard have at most three folders; each depth is a page that is kept."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    packed: bytes | None
    """What gzip makes of the body; None where that is no shorter."""
    etag: str
    media_type: str
    cache_control: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asset":
        """Return the asset of a file with this name, relative to the folder of all."""
        suffix = PurePosixPath(name).suffix
        return cls(
            body=body,
            packed=None if suffix in COMPRESSED_ALREADY else gzip.compress(body, mtime=0),
            etag=f'"{sha256(body).hexdigest()[:32]}"',
            media_type=MEDIA_TYPES.get(suffix, "application/octet-stream"),
            cache_control=IMMUTABLE if name.startswith("assets/") else REVALIDATE,
        )

    def answer(self, request: Request) -> Response:
        """Return the file, packed where the client takes that, or 304 where the client has it."""
        headers = {"ETag": self.etag, "Cache-Control": self.cache_control, "Vary": "Accept-Encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.packed, headers=headers, media_type=self.media_type)
        return Response(self.body, headers=headers, media_type=self.media_type)


def serve_dashboard(app: Starlette) -> None:
    """Add `/`, which leads to the dashboard, and all that lies below `/ui/`."""
    app.add_route("/", _lead_there, include_in_schema=False)
    app.add_route(DASHBOARD_PATH, _lead_there, include_in_schema=False)
    app.add_route(f"{DASHBOARD_PATH}/{{path:path}}", _answer, include_in_schema=False)


async def _lead_there(_: Request) -> Response:
    # Relative, for a prefix that only the proxy knows.
    return Response(status_code=307, headers={"Location": f"{DASHBOARD_PATH[1:]}/", "Cache-Control": REVALIDATE})


async def _answer(request: Request) -> Response:
    """Return an asset, or the page: which addresses there are is the page's own affair."""
    asset = load_assets().get(request.path_params["path"])
    if asset is None:
        segments = _segments(request)
        asset = page_at(min(len(segments) - 1, MAX_DEPTH), pattern=_pattern_of([each for each in segments if each]))
    return asset.answer(request)


def _segments(request: Request) -> list[str]:
    """Return what stands between the slashes below `/ui/`; an encoded `/` is none to a browser."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    _, _, below = path.partition(f"{DASHBOARD_PATH}/".encode())
    return below.decode("latin-1").split("/")


def _pattern_of(segments: list[str]) -> str:
    """Return the address of a page, such as `/tasks/:id`, that these match; an empty text if there is none."""
    for pattern in load_pages():
        wanted = [each for each in pattern.split("/") if each]
        if len(wanted) == len(segments) and all(
            name.startswith(":") or name == given for name, given in zip(wanted, segments, strict=True)
        ):
            return pattern
    return ""


@cache
def load_assets() -> dict[str, Asset]:
    """Return every file but the page, by its name; compressing 400 KB takes 30 ms, once for each process."""
    return {name: Asset.of(name, body) for name, body in _load_files().items() if name != PAGE}


@cache
def load_pages() -> dict[str, list[str]]:
    """Return the files that each address needs beyond those that the page itself names."""
    pages: dict[str, list[str]] = json.loads(_load_files()[PAGES])
    return pages


@cache
def page_at(depth: int, *, pattern: str = "") -> Asset:
    """Return the page for addresses so many folders below `/ui/`; it names the files that such an address needs."""
    base = b"../" * depth or b"./"
    # Named here they come together with all others: else the page would find them once it runs.
    links = "".join([*map(_link, load_pages().get(pattern, ())), ASKED_FIRST]).encode()
    page = _load_files()[PAGE].replace(BASE_MARK, b'<base href="%s"' % base, 1)
    return Asset.of(PAGE, page.replace(HEAD_END, links + HEAD_END, 1))


def _link(name: str) -> str:
    kind = "stylesheet" if name.endswith(".css") else "modulepreload"
    return f'  <link rel="{kind}" crossorigin href="./{name}">\n'


def build_of_page() -> str:
    """Return what is another one once the page or any of its files is: it names them by what is in them."""
    return page_at(0).etag.strip('"')[:BUILD_LENGTH]


@cache
def _load_files() -> dict[str, bytes]:
    """All at once: page and assets name each other, and an upgrade may replace them while this process runs."""
    return dict(_read(files("dashboard") / "static"))


def _read(folder: Traversable, before: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = before + entry.name
        found += _read(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found
