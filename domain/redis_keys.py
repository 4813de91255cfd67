"""The names of the keys and channels that Celeriac uses in its Redis (`CELERIAC_REDIS_URL`). No other room makes one.

Workers with the plugin share the names from `STREAM_KEY` to `run_key`. The plugin may import none of our rooms, so it
makes these again in `celeriac_worker/keys.py` and `celeriac_worker/stream.py`; a test holds both lists together. What
the values mean to a worker stands in `workers/README.md`.
"""

STREAM_KEY = "celeriac:events"
"""The stream to which workers with the plugin add their events."""


def node_key(node: str) -> str:
    """Return the key that holds the boot id of the node's worker while that is alive."""
    return f"celeriac:node:{node}"


def paused_key(node: str) -> str:
    """Return the key that is there while the node shall start nothing."""
    return f"celeriac:paused:{node}"


def cancelled_key(task_id: str) -> str:
    """Return the key that the plugin looks for right before a start: it is there once the task shall not run."""
    return f"celeriac:cancelled:{task_id}"


def run_key(task_id: str, *, retries: int, dispatch_no: int) -> str:
    """Return the key by which a worker notes one start of the task, and its end."""
    return f"celeriac:run:{task_id}:{retries}:{dispatch_no}"


STREAM_COUNTS_KEY = "celeriac:events:counts"
"""A hash. `stored`: how many messages were deleted because they are; `missed`: how many dropped ones are recorded as a
gap; `server`: the server's `run_id` when that was looked at."""
COUNTERS_KEY = "celeriac:counters"
"""A hash of what all processes of a kind have counted together, by `services.resident.counters.CounterName`."""
MIRRORS_KEY = "celeriac:mirrors"
"""A sorted set of the mirrors that work, by the milliseconds since 1970 at which each last said so."""
SHARE_COUNT_KEY = "celeriac:mirrors:shares"
"""The largest number of shares that any mirror was ever told: none is left unread when a setting is lowered."""
MARKS_KEY = "celeriac:degraded"
"""A hash of component to degradation mark. Redis forgets it with the longest mark that can be."""
MARK_SIGNATURES_KEY = "celeriac:degraded:by"
"""A hash of component to who marked it, when and why, beside the marks, which older versions read as they are."""
LIVES_KEY = "celeriac:lives"
"""A hash of every life that has begun and has not ended in order, to the time at which it began."""
OPEN_ACCESS_KEY = "celeriac:open_access"
"""The address on which an API asks nobody for a key and others reach it. It fades when that is over."""
ANSWERS_KEY = "{celeriac:answers}:bodies"
"""A hash of the last good answers of the API."""
ANSWER_TIMES_KEY = "{celeriac:answers}:times"
"""A sorted set that says how old they are. The braces keep both on one node of a Redis cluster."""
OWN_LEDGER_KEY = "celeriac:unacked"
"""The broker's key with kombu's ledger of what our own clients hold, apart from that of the workers."""

NOBODY = "celeriac:nobody"
"""Never written: `celeriac doctor` asks with it which commands are allowed."""


def share_key(share: int) -> str:
    """Return the stream of what mirrors have read that belongs to this share, and so to another mirror."""
    return f"celeriac:events:share:{share}"


def published_key(digest: str) -> str:
    """Return the key that is there while the message with this digest, heard by every mirror, is in the stream."""
    return f"celeriac:published:{digest}"


def process_key(process: str) -> str:
    """Return the key that a kind of process (`mirror`, `loops`) renews while one of them works."""
    return f"celeriac:{process}"


def life_channel(life: str) -> str:
    """Return the channel of all processes of a kind (`mirror`), or of one (`mirror:<id>`). Nothing is said there."""
    return f"celeriac:life:{life}"


def requests_key(address: str) -> str:
    """Return the key that counts the requests of a client's address in the current minute."""
    return f"celeriac:requests:{address}"
