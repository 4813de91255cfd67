"""What is asked of Redis: whether a task may start, and what is told to it about starts, pauses and life.

Each question is one script, so that nothing changes between its parts. Who asks when, and what follows from an
answer, stands in `requests.py` and `life_thread.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import redis

from celeriac_worker.keys import NODE_PREFIX, cancelled_key, node_key, paused_key
from celeriac_worker.servers import connect

NODE_EXPIRY_SECONDS = 10
RUN_EXPIRY_SECONDS = 26 * 3600
"""How long a start is remembered: longer than any message stays unacknowledged, for our visibility timeout is 25 h."""
MOST_KEYS = 500
"""How many keys one call takes."""


class Admission(str, Enum):
    """The answer to "may it start?"."""

    GO = "go"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    RUNNING = "running"
    """Refused: this delivery has been started, by a worker that is alive."""
    SILENT = "silent"
    """Refused for now: this delivery has been started, by a worker that has not been heard for 10 s."""
    FINISHED = "finished"
    """Refused: this delivery has run."""


class GateUnreachableError(Exception):
    """Redis did not answer, or answered with an error: nobody knows whether the task may start."""


# KEYS: cancelled, paused and, for a message of Celeriac's, run. ARGV: `node|boot id`, whether silence means death.
# A holder of our own name is a start of ours whose answer was lost: what truly runs here is never asked about.
_MAY_START = f"""
local cancelled, paused, held = unpack(redis.call('MGET', unpack(KEYS)))
if cancelled then return 'cancelled' end
if paused then return 'paused' end
if not KEYS[3] then return 'go' end
if held then
    local holder, state = held:match('^(.*)|(%l+)$')
    if state == 'finished' then return 'finished' end
    if holder ~= ARGV[1] then
        local node, boot_id = holder:match('^(.*)|(.*)$')
        local alive = redis.call('GET', '{NODE_PREFIX}' .. node)
        if alive == boot_id then return 'running' end
        if not alive and ARGV[2] ~= '1' then return 'silent' end
    end
end
redis.call('SET', KEYS[3], ARGV[1] .. '|started', 'EX', {RUN_EXPIRY_SECONDS})
return 'go'
"""

# ARGV: `node|boot id`. A start that another worker has taken over since is left alone.
_FINISH = f"""
for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] .. '|started' then
        redis.call('SET', key, ARGV[1] .. '|finished', 'EX', {RUN_EXPIRY_SECONDS})
    end
end
"""

_RELEASE = """
for _, key in ipairs(KEYS) do
    local held = redis.call('GET', key)
    if held and held:match('^(.*)|%l+$') == ARGV[1] then redis.call('DEL', key) end
end
"""


class Gate:
    """One worker's view of Redis. May be used by several threads; every method may raise GateUnreachableError."""

    def __init__(self, url: str, node: str, *, boot_id: str) -> None:
        self._node = node
        self._boot_id = boot_id
        self._me = f"{node}|{boot_id}"
        self._client = connect(url)
        self._may_start = self._client.register_script(_MAY_START)
        self._finish = self._client.register_script(_FINISH)
        self._release = self._client.register_script(_RELEASE)
        self._paused_key = paused_key(node)

    def may_start(self, task_id: str, run_key: str | None, *, silence_is_death: bool = False) -> Admission:
        """Return the answer; with GO the start is written down, under `run_key` if there is one."""
        keys = [cancelled_key(task_id), self._paused_key]
        if run_key is not None:
            keys.append(run_key)
        return Admission(self._run(self._may_start, keys, self._me, "1" if silence_is_death else "").decode())

    def finish(self, run_keys: Sequence[str]) -> None:
        """Write down that these have run, however it went."""
        self._for_all(self._finish, run_keys)

    def release(self, run_keys: Sequence[str]) -> None:
        """Write down that these have not run, or shall run again: the next one may."""
        self._for_all(self._release, run_keys)

    def show_life(self) -> bool:
        """Let this worker count as alive for the next 10 s; returns whether it is to be paused."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(node_key(self._node), self._boot_id, ex=NODE_EXPIRY_SECONDS)
            pipe.exists(self._paused_key)
            return bool(_answered(pipe.execute)[1])

    def say_goodbye(self, *, forget_pause: bool) -> None:
        """Free what this worker holds from now on."""
        keys = [node_key(self._node)] + ([self._paused_key] if forget_pause else [])
        _answered(self._client.delete, *keys)

    def is_paused(self) -> bool:
        """Return whether the node's pause key is there."""
        return bool(_answered(self._client.exists, self._paused_key))

    def set_paused(self, paused: bool) -> None:
        """Set the node's pause key, or delete it."""
        if paused:
            _answered(self._client.set, self._paused_key, "1")
        else:
            _answered(self._client.delete, self._paused_key)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _for_all(self, script: Any, run_keys: Sequence[str]) -> None:
        for start in range(0, len(run_keys), MOST_KEYS):
            self._run(script, run_keys[start : start + MOST_KEYS], self._me)

    def _run(self, script: Any, keys: Sequence[str], *arguments: str) -> Any:
        """Run the script as calling the script object does, which costs 76 us instead of 50."""
        try:
            return _answered(self._client.evalsha, script.sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return _answered(script, keys=keys, args=arguments)


def _answered(ask: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return ask(*arguments, **options)
    except redis.exceptions.NoScriptError:
        raise
    except (redis.RedisError, OSError) as error:
        # The class alone: its text may name the server.
        raise GateUnreachableError(type(error).__name__) from error
