"""Which names a queue may have: any text of 1 to 255 bytes, but no control characters and no key of somebody else.

On Redis a queue *is* the key of its name, beside the keys in which kombu keeps its books, Celery its results and we our
own. A message that is put there stops whoever owns the key: a worker ends at the wrong type of value. Every door that
takes a queue's name asks here, and so does the dispatcher right before the broker. Keys of other programs cannot be
known: what the broker says to those is the fate of the one task (`gateway/publisher.py`).
"""

import re
from functools import lru_cache

from domain.json_values import check_text

MAX_BYTES = 255
"""The longest name in bytes of UTF-8: RabbitMQ takes no longer ones."""
RULE = f"1 to {MAX_BYTES} bytes without control characters, and no key of kombu, Celery or Celeriac"

# Some with whatever `global_keyprefix` may stand before the key.
_KEYS = re.compile(
    r"""
      ^_kombu\. | _kombu\.binding                  # who consumes what, and until when
    | celery-task(?:set)?-meta-                     # results of tasks and groups, counters of chords
    | (?:^|[^a-zA-Z])chord-unlock-
    | ^unacked                                      # what consumers have fetched: the hash, its index, its lock
    | (?:^|[^a-zA-Z])unacked(?:_index|_mutex)?$
    | ^celeryev | (?:^|[^a-zA-Z])celeryev(?:\.|$)   # the queues of those who hear events
    | (?:^|\.)pidbox$                               # mailboxes of workers, and of those who ask them
    | (?:^|_)celery_delayed_(?:\d+|delivery)$       # kombu's steps of a delayed delivery on RabbitMQ
    | ^amq\.                                        # RabbitMQ's own: exchanges, queues that it names, direct replies
    | ^/(?:\d+|\{db\})\.                           # channels of kombu's fanout
    | ^\{?celeriac: | ^celeriac\.events             # ours
    """,
    re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


_WRONG_SIZE = f"takes 1 to {MAX_BYTES} bytes"


def flaw_of(queue_name: str) -> str | None:
    """What is wrong with the name, to stand behind the name of its field; None if a queue may be called so."""
    # Before anything is remembered: a thousand names of 1 MiB would be.
    return _WRONG_SIZE if len(queue_name) > MAX_BYTES else _flaw_of(queue_name)


@lru_cache(maxsize=4_096)
def _flaw_of(queue_name: str) -> str | None:
    try:
        check_text(queue_name)
    except ValueError as error:
        return str(error)
    if not 1 <= len(queue_name.encode()) <= MAX_BYTES:
        return _WRONG_SIZE
    if _CONTROL.search(queue_name):
        return "holds a control character"
    if _KEYS.search(queue_name):
        return "is a key of kombu, Celery or Celeriac, and no queue"
    return None


def check_queue_name(queue_name: str) -> None:
    """Raises ValueError, which does not repeat the name, if no queue may be called so."""
    flaw = flaw_of(queue_name)
    if flaw:
        raise ValueError(flaw)
