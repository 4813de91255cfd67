"""`celeriac up` around its children: what it refuses, what it waits for, in which order it begins and ends."""

import asyncio
import errno
import http.client
import io
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import up
from cli.addresses import Addresses, read_addresses
from cli.child import Child
from cli.errors import CliError, OpenAccess
from cli.flower_login import kept_login, password_file
from cli.up import Guest, run_up
from settings import Settings

DATABASE, BROKER = "postgresql://h/db", "redis://h:1/0"


STOPPED_IN_ORDER = [
    "stop app-worker",
    "stop api",
    "stop loops",
    "stop worker-1",
    "stop mirror",
    "stop flower",
    "stop valkey",
    "stop postgres",
]
"""What uses a server is stopped before it."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With servers of the operator's own, so that none is embedded."""
    return Settings(
        data=tmp_path / "data",
        port=free_port(),
        flower_port=0,
        workers=1,
        database_url=DATABASE,
        broker_url=BROKER,
        result_url=BROKER,
        redis_url=BROKER,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Supervisor:
    """Starts nothing, and keeps what it was told."""

    made: "Supervisor"

    def __init__(self, logs: Path, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.logs = logs
        self.told: list[str] = []
        self.fail_at: str | None = None
        Supervisor.made = self

    def start(self, child: Child) -> None:
        self._tell(f"start {child.name}")

    async def run(self, child: Child) -> None:
        self._tell(f"run {child.name}")

    async def until(self, probe: Callable[[], bool], *names: str, within_seconds: float | None = None) -> None:
        self._tell(f"wait {' '.join(names)}".strip())

    def let_go(self, name: str) -> None:
        self._tell(f"let go {name}")

    async def stop(self, *names: str) -> None:
        self._tell(f"stop {' '.join(names)}")

    def has_announced(self, name: str) -> bool:
        return name == "told"

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == FAILING.get("at"):
            raise CliError(f"{what} failed")


FAILING: dict[str, str] = {}


@pytest.fixture
def stopped_when_ready(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator presses Ctrl-C as soon as it says that it is ready."""
    monkeypatch.setattr(up, "Supervisor", Supervisor)
    monkeypatch.setattr(up, "refuse_unusable", lambda _: None)
    monkeypatch.setattr(up, "is_current", lambda _: True)
    plain = print

    def note(*words: Any, **options: Any) -> None:
        plain(*words, **options)
        if words[0].startswith("celeriac ready"):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(up, "print", note, raising=False)
    FAILING.clear()
    yield
    FAILING.clear()


@pytest.mark.usefixtures("stopped_when_ready")
async def test_it_starts_what_readiness_needs_lets_the_workers_go_and_stops_all_in_order(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_up(settings)
    assert Supervisor.made.told == [
        "start mirror",
        "start api",
        "start loops",
        "start worker-1",
        "wait",
        "let go worker-1",
        "wait",
        *STOPPED_IN_ORDER,
    ]
    assert capsys.readouterr().out == f"celeriac ready http://127.0.0.1:{settings.port}\n"
    assert read_addresses(settings.data) is None, "they are forgotten"


@pytest.mark.usefixtures("stopped_when_ready")
async def test_an_old_schema_is_migrated_before_anything_uses_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "is_current", lambda _: False)
    await run_up(settings)
    assert Supervisor.made.told[:2] == ["run migrate", "start mirror"]


@pytest.mark.usefixtures("stopped_when_ready")
async def test_flower_starts_after_everything_is_well(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await run_up(settings.model_copy(update={"flower_port": free_port(), "flower_basic_auth": ("u:a-long-password",)}))
    told = Supervisor.made.told
    assert told.index("start flower") == max(index for index, what in enumerate(told) if what == "wait") + 1
    assert "a-long-password" not in "".join(capsys.readouterr())


@pytest.mark.usefixtures("stopped_when_ready")
@pytest.mark.parametrize("at", ["start api", "run migrate", "wait", "let go worker-1"])
async def test_a_start_that_fails_is_said_and_what_runs_is_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(up, "is_current", lambda _: False)
    FAILING["at"] = at
    with pytest.raises(CliError, match=f"^{at} failed$"):
        await run_up(settings)
    assert Supervisor.made.told[-8:] == STOPPED_IN_ORDER
    assert read_addresses(settings.data) is None


@pytest.mark.usefixtures("stopped_when_ready")
async def test_beside_an_app_the_terminal_is_for_the_guest_and_its_worker_starts_after_ours(settings: Settings) -> None:
    told: list[Addresses] = []

    def worker(addresses: Addresses) -> Child:
        assert addresses.redis_url == BROKER
        return Child(name=up.GUEST_WORKER, command=["true"])

    await run_up(settings.model_copy(update={"workers": 0}), guest=Guest(worker, told.append))
    assert Supervisor.made.quiet
    assert Supervisor.made.told[:6] == [
        "start mirror",
        "start api",
        "start loops",
        "wait",
        "start app-worker",
        "wait",
    ]
    assert len(told) <= 1, "Ctrl-C may come first"


@pytest.mark.usefixtures("stopped_when_ready")
async def test_port_0_is_one_that_is_chosen(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await run_up(settings.model_copy(update={"port": 0}))
    port = int(capsys.readouterr().out.rpartition(":")[2])
    assert 0 < port <= 65_535


@pytest.mark.usefixtures("stopped_when_ready")
async def test_an_address_open_to_others_is_refused_before_anything_is_made(settings: Settings) -> None:
    with pytest.raises(OpenAccess):
        await run_up(settings.model_copy(update={"host": "0.0.0.0"}))
    assert not settings.data.exists()


def test_a_port_that_is_taken_is_named_with_the_option_that_changes_it(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CliError, match=rf"^Port {port} on 127\.0\.0\.1 is in use; choose another with --port\.$"):
            up._refuse_taken_ports(settings.model_copy(update={"port": port}))
        with pytest.raises(CliError, match=r"choose another with --flower-port\.$"):
            up._refuse_taken_ports(settings.model_copy(update={"flower_port": port}))
    up._refuse_taken_ports(settings)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_of_this_machine_is_refused_in_a_sentence(settings: Settings, host: str) -> None:
    with pytest.raises(CliError, match=rf"^{host} cannot be listened on: .+\.$"):
        up._refuse_taken_ports(settings.model_copy(update={"host": host}))


def test_a_second_up_in_the_same_folder_is_refused_and_the_first_one_holds_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        up._only_one(data),
        pytest.raises(CliError, match=rf"^A `celeriac up` already runs in {data}; stop it or choose another --data\.$"),
        up._only_one(data),
    ):
        pass
    with up._only_one(data):
        assert stat.S_IMODE((data / "lock").stat().st_mode) == 0o600


def test_a_lock_that_a_kill_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    tmp_path.chmod(0o700)
    with up._only_one(tmp_path):
        assert (tmp_path / "lock").exists()


class Answering:
    """An API as `http.client` reaches it."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self._answers = list(answers)
        self.closed = 0

    def __call__(self, _address: str, *, timeout: float) -> "Answering":
        assert timeout <= 3.0, "nobody waits for ever"
        return self

    def request(self, method: str, path: str) -> None:
        assert (method, path) == ("GET", "/api/v1/health")

    def getresponse(self) -> io.BytesIO:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    def close(self) -> None:
        self.closed += 1


WELL = b'{"checks": {"postgres": "healthy", "workers": "healthy"}}'
NO_WORKERS = b'{"checks": {"postgres": "healthy", "workers": "unhealthy"}}'


@pytest.mark.parametrize(
    ("answer", "workers", "green"),
    [
        (WELL, 1, True),
        (NO_WORKERS, 1, False),
        (NO_WORKERS, 0, True),
        (b'{"checks": {}}', 1, False),
        (b"<html>", 1, False),
        (b"{}", 1, False),
        (b"", 1, False),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), 1, False),
        (TimeoutError(), 1, False),
        (http.client.BadStatusLine("x"), 1, False),
    ],
)
def test_it_is_ready_when_all_is_well_that_it_has_started(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, answer: bytes | Exception, workers: int, green: bool
) -> None:
    api = Answering(answer)
    monkeypatch.setattr(http.client, "HTTPConnection", api)
    assert up._Health(settings.model_copy(update={"workers": workers})).is_green() is green
    assert api.closed == 1


def test_after_fifteen_seconds_it_says_now_and_then_what_it_still_waits_for(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(
        http.client, "HTTPConnection", Answering(OSError(), b'{"checks": {"post\\u001bgres": "unknown"}}')
    )
    health = up._Health(settings)
    told = []
    for seconds in (0.0, 15.0, 1.0, 15.0, 1.0):
        now += seconds
        health.is_green()
        told.append(capsys.readouterr().err)
    line = "celeriac: not ready yet: post\\u001bgres\n"
    assert told == ["", "", line, "", line]


def test_where_the_api_is_silent_that_is_what_it_says(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(http.client, "HTTPConnection", Answering(OSError()))
    up._Health(settings).is_green()
    assert capsys.readouterr().err == "celeriac: not ready yet: the API does not answer\n"


class Server:
    """An embedded server: another one for each try."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    command = ("valkey-server",)

    def __init__(self, number: int) -> None:
        self.url = f"redis://127.0.0.1:{number}"

    def answers(self) -> bool:
        return True


class Failing(Supervisor):
    """Waits in vain so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(Path())
        self._times = times

    async def until(self, probe: Callable[[], bool], *names: str, within_seconds: float | None = None) -> None:
        await super().until(probe, *names, within_seconds=within_seconds)
        if self._times:
            self._times -= 1
            raise CliError("valkey ended 5 times while starting")


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_a_server_whose_port_is_snatched_away_tries_again_with_another(failures: int) -> None:
    made: list[int] = []

    def prepare() -> Any:
        made.append(len(made) + 1)
        return Server(made[-1])

    supervisor: Any = Failing(failures)
    assert await up._start_if(True, prepare, supervisor=supervisor) == f"redis://127.0.0.1:{failures + 1}"
    assert supervisor.told == [
        *["start valkey", "wait valkey", "stop valkey"] * failures,
        "start valkey",
        "wait valkey",
    ]


async def test_a_server_that_never_starts_is_given_up_after_three_tries() -> None:
    supervisor: Any = Failing(3)
    with pytest.raises(CliError, match="ended 5 times"):
        await up._start_if(True, lambda: Server(1), supervisor=supervisor)  # type: ignore[arg-type,return-value]
    assert supervisor.told == ["start valkey", "wait valkey", "stop valkey"] * 3


async def test_a_server_that_is_not_needed_is_not_prepared() -> None:
    def prepare() -> Any:
        raise AssertionError

    supervisor: Any = Failing(0)
    assert await up._start_if(False, prepare, supervisor=supervisor) is None
    assert supervisor.told == []


@pytest.mark.parametrize(
    ("level", "announced", "waits"),
    [("info", True, False), ("info", False, True), ("debug", False, True), ("warning", False, False)],
)
def test_workers_are_held_until_the_mirror_hears_them_where_its_logs_say_so(
    settings: Settings, level: str, announced: bool, waits: bool
) -> None:
    supervisor: Any = type("Told", (), {"has_announced": lambda _, name: announced and name == "mirror"})()
    assert up._hears_workers(settings.model_copy(update={"log_level": level}), supervisor) is not waits


@pytest.fixture
def flower(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    for name in ("FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return settings.model_copy(update={"flower_port": 5555, "flower_basic_auth": ()})


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_new_password_of_flower_is_shown_once_and_to_a_terminal_only(
    flower: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    login = up._prepare_flower(flower)
    first = capsys.readouterr().err
    password = password_file(flower.data).read_text()
    assert login == f"celeriac:{password}"
    assert (password in first) is is_terminal
    assert str(password_file(flower.data)) in first
    assert up._prepare_flower(flower) == login
    assert password not in capsys.readouterr().err


def test_a_login_that_the_operator_named_is_not_told(flower: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    kept_login(flower.data)
    named = flower.model_copy(update={"flower_basic_auth": ("u:a-long-password",)})
    assert up._prepare_flower(named) == "u:a-long-password"
    assert capsys.readouterr().err == ""


def test_without_flower_no_password_is_made(flower: Settings) -> None:
    assert up._prepare_flower(flower.model_copy(update={"flower_port": 0})) is None
    assert not password_file(flower.data).exists()


async def test_a_stop_that_is_asked_for_while_all_starts_does_not_wait_for_the_start() -> None:
    asked = asyncio.Event()
    never = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await never

    starting = asyncio.create_task(wait())
    asked.set()
    await asyncio.wait_for(up._until_asked(asked, starting), timeout=10)
    assert not starting.done()
    starting.cancel()
