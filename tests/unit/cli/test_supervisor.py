"""The supervisor with small stand-in children: restarts, back-off, order of the stop, and nothing left over."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from cli.child import Child, ChildLog
from cli.errors import CliError
from cli.launch import launch_command
from cli.supervisor import Backoff, Supervisor
from tests.patience import until, wait_for

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.02)
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
LIMIT_SECONDS = 20


def python(code: str, name: str = "child", **options: object) -> Child:
    return Child(name=name, command=[sys.executable, "-I", "-S", "-c", textwrap.dedent(code)], **options)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("lifetime", "previous", "wait"), [(1, 0, 0.2), (1, 0.2, 0.4), (1, 4, 5), (1, 5, 5), (31, 5, 0.2)]
)
def test_back_off_doubles_to_5_seconds_and_starts_anew_after_30(lifetime: float, previous: float, wait: float) -> None:
    assert Backoff().after(previous, lifetime_seconds=lifetime) == wait


async def test_a_killed_child_is_started_again_and_its_death_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python(SLEEP))
    await until(lambda: supervisor.pid("child"))
    first = supervisor.pid("child")
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pid("child") not in (None, first))
    await supervisor.stop("child")
    assert "celeriac: child ended (signal 9); again in 0.0 s" in capfd.readouterr().err


async def test_what_a_child_prints_goes_to_stderr_behind_its_name_and_to_its_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(tmp_path)
    await supervisor.run(python("print('hello'); print('no newline', end='')"))
    assert lines(tmp_path / "child.log") == ["hello", "no newline"]
    printed = capfd.readouterr()
    assert "child    | hello" in printed.err
    assert printed.out == ""


async def test_what_a_child_prints_steers_no_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(tmp_path)
    await supervisor.run(python(r"print('{\"a\": \"\x1b]0;pwn\x07\x9b\u202e\"}\r\n\ttab\rover')"))
    assert lines(tmp_path / "child.log") == [r'{"a": "\u001b]0;pwn\u0007\u009b\u202e"}', "\ttab\\u000dover"]
    assert "\x1b" not in capfd.readouterr().err


def test_a_line_without_end_does_not_grow_without_bound(tmp_path: Path) -> None:
    log = ChildLog("child", tmp_path)
    for _ in range(20):
        log.feed(b"x" * 10_000)
    log.close()
    assert len(lines(tmp_path / "child.log")) >= 2


async def test_a_child_that_keeps_dying_while_starting_ends_the_wait_with_its_last_words(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("import sys; print('no such luck'); sys.exit(3)"))
    with pytest.raises(CliError, match=r"child ended \d+ times while starting, last with exit code 3: no such luck"):
        await supervisor.until(lambda: False)
    await supervisor.stop("child")


async def test_a_wait_has_a_limit(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.start(python(SLEEP))
    with pytest.raises(CliError, match=r"^Not ready after 0 s: child"):
        await supervisor.until(lambda: False, "child", within_seconds=0.1)
    await supervisor.stop("child")


async def test_a_child_that_ends_by_itself_and_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="`child` failed: it broke"):
        await Supervisor(tmp_path).run(python("import sys; sys.exit('it broke')"))


async def test_a_deaf_child_is_asked_by_each_signal_in_turn_and_then_killed(tmp_path: Path) -> None:
    code = f"""
        import os, signal, time
        for which in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(which, lambda number, _: os.write(1, signal.Signals(number).name.encode() + b'\\n'))
        print("deaf", flush=True)
        while True:
            time.sleep({LIMIT_SECONDS})
    """
    supervisor = Supervisor(tmp_path)
    supervisor.start(python(code, stop_signals=((signal.SIGTERM, 0.2), (signal.SIGQUIT, 0.2))))
    await until(lambda: lines(tmp_path / "child.log") == ["deaf"])
    await supervisor.stop("child")
    assert lines(tmp_path / "child.log") == ["deaf", "SIGTERM", "SIGQUIT"]
    assert supervisor.pid("child") is None


async def test_stopping_twice_or_while_it_waits_to_start_again_does_no_harm(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, backoff=Backoff(first_seconds=LIMIT_SECONDS * 2))
    supervisor.start(python("pass"))
    await until(lambda: supervisor.pid("child") is None and (tmp_path / "child.log").exists())
    await asyncio.wait_for(asyncio.gather(supervisor.stop("child"), supervisor.stop("child")), LIMIT_SECONDS)
    await supervisor.stop("child", "never started")


async def test_a_child_is_stopped_even_if_it_is_told_so_before_it_runs(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.start(python(SLEEP))
    await asyncio.wait_for(supervisor.stop("child"), LIMIT_SECONDS)
    assert supervisor.pid("child") is None


async def test_a_held_child_begins_when_it_is_let_go_and_in_later_lives_at_once(tmp_path: Path) -> None:
    code = "import sys, time; print('held', flush=True); sys.stdin.read(); print('went', flush=True); time.sleep(600)"
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python(code, is_held=True, announces="held"))
    await supervisor.until(lambda: supervisor.has_announced("child"), within_seconds=LIMIT_SECONDS)
    assert lines(tmp_path / "child.log") == ["held"]
    supervisor.let_go("child")
    await until(lambda: lines(tmp_path / "child.log") == ["held", "went"])
    os.kill(supervisor.pid("child") or 0, signal.SIGKILL)
    await until(lambda: lines(tmp_path / "child.log") == ["held", "went"] * 2)
    await supervisor.stop("child")


async def test_what_a_dead_child_leaves_in_its_group_is_ended(tmp_path: Path) -> None:
    code = """
        import os, time
        if os.fork() == 0:
            time.sleep(600)
        print(os.getpid(), flush=True)
        time.sleep(600)
    """
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python(code))
    await until(lambda: lines(tmp_path / "child.log"))
    leader = psutil.Process(supervisor.pid("child") or 0)
    (grandchild,) = leader.children()
    leader.kill()
    await until(lambda: not is_alive(grandchild.pid))
    await supervisor.stop("child")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux'")
@pytest.mark.parametrize("identity", ["same", "namespace"])
def test_nothing_is_left_after_a_kill_of_the_supervisor(tmp_path: Path, identity: str) -> None:
    if identity == "namespace" and subprocess.run(launch_command(["/bin/true"], identity=identity)).returncode:
        pytest.skip("user namespaces are not allowed here")
    code = f"""
        import asyncio, sys
        from pathlib import Path
        from cli.child import Child
        from cli.launch import launch_command
        from cli.supervisor import Supervisor

        async def main():
            supervisor = Supervisor(Path({str(tmp_path)!r}))
            sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
            supervisor.start(Child(name="child", command=launch_command(sleeper, identity={identity!r})))
            await supervisor.until(lambda: supervisor.pid("child"))
            print(supervisor.pid("child"), flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        _wait_for_title(child, "time.sleep")
        parent.kill()
    wait_for(lambda: not is_alive(child))


def _wait_for_title(pid: int, part: str) -> None:
    """Until the launcher has become the child; in between the process has no title at all."""

    def has_title() -> bool:
        title = " ".join(psutil.Process(pid).cmdline())
        return part in title and "launch.py" not in title

    wait_for(has_title)


async def test_a_child_that_ends_well_and_is_unwanted_stays_away_until_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.supervisor.REST_SECONDS", 0.01)
    unwanted = [True]
    asked: list[int] = []

    def stays_away() -> bool:
        asked.append(1)
        return unwanted[0]

    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("print('ran')", stays_away=stays_away, comes_back="until it is asked for"))
    await until(lambda: len(asked) > 3)
    assert lines(tmp_path / "child.log") == ["ran"]
    unwanted[0] = False
    await until(lambda: len(lines(tmp_path / "child.log")) > 1)
    await supervisor.stop("child")
    assert "celeriac: child ended and stays away until it is asked for\n" in capfd.readouterr().err


async def test_a_child_that_fails_is_started_again_however_unwanted(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("import sys; print('ran', flush=True); sys.exit(1)", stays_away=lambda: True))
    await until(lambda: len(lines(tmp_path / "child.log")) > 1)
    await supervisor.stop("child")


async def test_a_child_that_stays_away_can_be_stopped(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    asked = threading.Event()

    def stays_away() -> bool:
        asked.set()
        return True

    supervisor.start(python("pass", stays_away=stays_away))
    await until(asked.is_set)
    await supervisor.stop("child")
    assert supervisor.pid("child") is None


async def test_each_death_in_a_row_is_told_with_their_number_and_the_last_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("import sys; print('no such luck'); sys.exit(70)"))
    told: list[str] = []

    def is_told() -> bool:
        told.append(capfd.readouterr().err)
        return "3 times" in "".join(told)

    await until(is_told)
    await supervisor.stop("child")
    lines = [line for line in "".join(told).splitlines() if line.startswith("celeriac:")]
    assert lines[0] == "celeriac: child ended (exit code 70); again in 0.0 s"
    assert (
        lines[2] == "celeriac: child ended (exit code 70); again in 0.0 s; 3 times in a row, it said last: no such luck"
    )


async def test_a_child_is_kept_alive_although_something_goes_wrong_around_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def stays_away() -> bool:
        asked.append(1)
        raise ValueError("odd")

    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("print('ran')", stays_away=stays_away, comes_back="until it is asked for"))
    await until(lambda: len(asked) > 2)
    await supervisor.stop("child")
    assert len(lines(tmp_path / "child.log")) > 2
    assert "celeriac: child ended (not kept: ValueError: odd)" in capfd.readouterr().err


async def test_a_stop_does_not_wait_for_an_answer_that_does_not_come(tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def stays_away() -> bool:
        asked.set()
        return answer.wait(LIMIT_SECONDS * 2)

    supervisor = Supervisor(tmp_path, backoff=QUICK)
    supervisor.start(python("pass", stays_away=stays_away))
    await until(asked.is_set)
    try:
        await asyncio.wait_for(supervisor.stop("child"), LIMIT_SECONDS)
    finally:
        answer.set()


async def test_whoever_keeps_a_child_alive_does_not_end_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unasked_ends: list[int]
) -> None:
    class NoError(BaseException):
        pass

    async def fail(*_: object) -> None:
        raise NoError

    monkeypatch.setattr("cli.supervisor.spawn", fail)
    supervisor = Supervisor(tmp_path)
    supervisor.start(python(SLEEP))
    await until(lambda: unasked_ends)
    unasked_ends.clear()
    supervisor._running["child"].log.close()
