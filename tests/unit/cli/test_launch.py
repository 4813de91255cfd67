"""How a process ties itself to its parent and becomes a server; identities for real are tested with the servers."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cli import launch
from cli.launch import NAMESPACE, SAME, launch_command, main


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the process does to itself, in this order."""
    done: list[str] = []

    def note(name: str) -> Callable[..., int]:
        def call(*given: object) -> int:
            done.append(" ".join(map(str, (name, *given))))
            return 0

        return call

    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, note(name))
    monkeypatch.setattr(os, "execv", lambda path, argv: done.append(f"exec {path} {argv}"))
    monkeypatch.setattr(os, "getppid", lambda: 42)
    monkeypatch.setattr(sys, "platform", "linux")
    libc = SimpleNamespace(prctl=note("prctl"), unshare=note("unshare"))
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: libc)
    return done


def test_it_becomes_the_command_once_it_dies_with_its_parent(steps: list[str]) -> None:
    main(["42", "9", SAME, "/bin/server", "-D", "a b"])
    assert steps == ["prctl 1 9", "exec /bin/server ['/bin/server', '-D', 'a b']"]


def test_another_user_is_taken_on_before_the_tie_which_linux_would_clear(steps: list[str]) -> None:
    """Groups first, then the group, then the user: whoever is no longer root may change neither."""
    main(["42", "2", "65534:7", "/bin/server"])
    assert steps == ["setgroups []", "setgid 7", "setuid 65534", "prctl 1 2", "exec /bin/server ['/bin/server']"]


def test_whoever_lost_its_parent_meanwhile_begins_nothing(steps: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["41", "9", SAME, "/bin/server"])
    assert ended.value.code == 1
    assert steps == ["prctl 1 9"]


def test_elsewhere_than_on_linux_there_is_no_such_tie(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    main(["41", "9", SAME, "/bin/server"])
    assert steps == ["exec /bin/server ['/bin/server']"]


def test_a_namespace_that_is_forbidden_begins_nothing(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    libc: Any = SimpleNamespace(unshare=lambda _: -1)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: libc)
    with pytest.raises(OSError, match="unshare"):
        main(["42", "9", NAMESPACE, "/bin/server"])
    assert steps == []


def test_the_command_names_its_parent_and_how_it_dies() -> None:
    command = launch_command(["/bin/server", "x"], identity="1:2", death_signal=signal.SIGINT)
    assert command == [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "2", "1:2", "/bin/server", "x"]
