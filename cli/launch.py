"""Turns itself into a child process after tying that child to the life of its parent.

Run by path as a script (`python -I -S launch.py PARENT SIGNAL IDENTITY ARGV...`), so it imports the
standard library only. It replaces `preexec_fn`, which is unsafe once the parent has threads. Which
identity a server needs is decided in `cli/embedded`.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

SAME = "same"
NAMESPACE = "namespace"

UNPRIVILEGED_ID = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def launch_command(
    argv: list[str], *, identity: str = SAME, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Return the command that becomes `argv` and gets `death_signal` when the calling thread's process dies.

    `identity` is SAME, NAMESPACE (looks unprivileged to itself, files stay owned by root) or `uid:gid`.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), identity, *argv]


def main(arguments: list[str]) -> None:
    """Take on the identity, tie this process to its parent, and become the command."""
    parent, death_signal, identity, *argv = arguments
    _take_identity(identity)
    _die_with_parent(int(parent), int(death_signal))
    os.execv(argv[0], argv)  # noqa: S606  the argument list is ours; there is no shell


def _take_identity(identity: str) -> None:
    if identity == NAMESPACE:
        _enter_user_namespace()
    elif identity != SAME:
        uid, gid = identity.split(":")
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{UNPRIVILEGED_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{UNPRIVILEGED_ID} {gid} 1")


def _die_with_parent(parent: int, death_signal: int) -> None:
    """Must follow the change of identity: Linux clears the death signal when credentials change."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
