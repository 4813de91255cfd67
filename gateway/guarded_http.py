"""HTTP to where a client of ours says: only to addresses that may be dialled, bounded in time and in what is read.

The address is judged that is connected to, after the one time that the name is looked up, so that no second answer of
a name server leads elsewhere. TLS and `Host` keep the name. Redirects are not followed, and no proxy of the environment
is used. What went wrong is told as a category, which says nothing of what is there.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from domain.reach import Network, judge_addresses

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
MAX_ANSWER_BYTES = 65_536
MOST_LOOK_UPS = 32
MAX_ADDRESSES = 64
"""How many addresses of a name are looked at; one with more is refused."""
KEPT_SECONDS = 30.0
MOST_CONNECTIONS = 50
"""The number of connections to one host."""
MOST_HOSTS = 200
"""The number of hosts to which connections are kept."""

Headers = Sequence[tuple[str, str]]


class NotAllowed(Exception):
    """An address that may not be dialled."""


class Guarded(AsyncNetworkBackend):
    """Connects to names whose addresses may all be dialled, and to nothing else."""

    def __init__(self, allowed: Iterable[Network] = (), *, most_look_ups: int = MOST_LOOK_UPS) -> None:
        self._allowed = tuple(allowed)
        self._backend = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(most_look_ups, thread_name_prefix="look-up")
        self._looking_up: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of httpcore
        local_address: str | None = None,  # noqa: ARG002  the interface of httpcore
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address of the host that answers. Raises NotAllowed if one of them may not be."""
        deadline = asyncio.get_running_loop().time() + (CONNECT_SECONDS if timeout is None else timeout)
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._look_up(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        if len(addresses) > MAX_ADDRESSES or not judge_addresses(addresses, self._allowed).may_be_dialled:
            raise NotAllowed
        return await self._connect(addresses, port, deadline=deadline, options=socket_options)

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> AsyncNetworkStream:
        """Refuse it: nobody outside can mean one."""
        raise NotAllowed(path)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Let look-ups that are under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _connect(
        self, addresses: Sequence[str], port: int, *, deadline: float, options: Iterable[Any] | None
    ) -> AsyncNetworkStream:
        last: Exception = httpcore.ConnectError()
        for number, address in enumerate(addresses):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise httpcore.ConnectTimeout
            try:
                share = left / (len(addresses) - number)
                return await self._backend.connect_tcp(address, port, timeout=share, socket_options=options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def _look_up(self, host: str, port: int) -> list[str]:
        """The addresses of a host. A name is asked for once at a time: a server that is slow holds up only its own."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        key = (host, port)
        if key not in self._looking_up:
            asking = asyncio.get_running_loop().run_in_executor(self._threads, partial(_ask, host, port))
            self._looking_up[key] = asking
            asking.add_done_callback(lambda _: self._looking_up.pop(key, None))
        try:
            return await asyncio.shield(self._looking_up[key])
        except (OSError, UnicodeError):
            raise httpcore.ConnectError from None


def _ask(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # With its scope, which a link-local address has, it would be judged as it is dialled: not at all.
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class Response:
    """What was answered: its body no further than was asked for, its headers by lower-case names."""

    status_code: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _HostPool:
    """The connections to one host. One pool for all would look through all of them at each request, and at those for
    each of them: with a hundred that is 17 ms.
    """

    pool: httpcore.AsyncConnectionPool
    users: int = 0


class GuardedHttp:
    """`async with GuardedHttp(allowed=...) as http: await http.post(url, ...)`.

    Raises NotAllowed, TimeoutError, ssl.SSLError, or an error of httpcore.
    """

    def __init__(
        self, allowed: Iterable[Network] = (), *, proxy: str | None = None, most: int = MOST_CONNECTIONS
    ) -> None:
        """Open nothing yet. `most` bounds the connections to one host. `proxy` is dialled whatever its address, and
        answers for what it reaches.
        """
        self._guard = Guarded(allowed)
        self._tls = httpcore.default_ssl_context()
        self._proxy = proxy
        self._most = most
        self._pools: OrderedDict[str, _HostPool] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        self._guard.close()
        for pool in self._pools.values():
            await pool.pool.aclose()

    async def post(
        self,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Response:
        """Send a request and read the beginning of the answer; the rest is dropped with its connection."""
        used = await self._pool_of(url)
        used.users += 1
        try:
            return await self._post(used.pool, url, headers=headers, content=content, limits=(total_seconds, max_bytes))
        finally:
            used.users -= 1

    async def _pool_of(self, url: str) -> _HostPool:
        """The connections to the host of this URL; those of hosts that were not asked for long are closed."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in self._pools:
            self._pools[origin] = _HostPool(self._make_pool())
        self._pools.move_to_end(origin)
        found = self._pools[origin]
        idle = [name for name, pool in self._pools.items() if not pool.users and pool is not found]
        for name in idle[: max(0, len(self._pools) - MOST_HOSTS)]:
            await self._pools.pop(name).pool.aclose()
        return found

    def _make_pool(self) -> httpcore.AsyncConnectionPool:
        if self._proxy is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=self._most,
                max_keepalive_connections=self._most,
                keepalive_expiry=KEPT_SECONDS,
                network_backend=self._guard,
            )
        return httpcore.AsyncHTTPProxy(
            self._proxy,
            ssl_context=self._tls,
            max_connections=self._most,
            max_keepalive_connections=self._most,
            keepalive_expiry=KEPT_SECONDS,
        )

    async def _post(
        self,
        pool: httpcore.AsyncConnectionPool,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        limits: tuple[float, int],
    ) -> Response:
        total_seconds, max_bytes = limits
        timeouts = {"connect": CONNECT_SECONDS, "read": total_seconds, "write": total_seconds, "pool": total_seconds}
        async with (
            asyncio.timeout(total_seconds),
            pool.stream(
                "POST",
                url,
                headers=[(name.encode(), value.encode()) for name, value in headers],
                content=content,
                extensions={"timeout": timeouts},
            ) as answer,
        ):
            body = b""
            async for part in answer.aiter_stream():
                body += part
                if len(body) >= max_bytes:
                    break
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Response(answer.status, told, body[:max_bytes])
