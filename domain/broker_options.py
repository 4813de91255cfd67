"""How one broker is used by those who use it: kombu's transport options, as far as they decide where a message lies.

On Redis a queue is a list for each priority step, and kombu keeps its books in keys beside them; each of these names
can be another in somebody's app (`broker_transport_options`). A message in a list that no worker reads strands without
a word, so every place that names a key of kombu's asks here. RabbitMQ has no such options.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.json_values import check_text

SEPARATOR = "\x06\x16"
UNACKED, UNACKED_INDEX, UNACKED_MUTEX = "unacked", "unacked_index", "unacked_mutex"
FANOUT_PREFIX = "/{db}."
STOCK_PRIORITY_STEPS = (0, 3, 6, 9)
"""What a worker reads that was told no others."""
TEN_PRIORITY_STEPS = tuple(range(10))
"""All that a message's priority can ask for: kombu takes no higher one than 9."""
MOST_PRIORITY_STEPS = 256
HIGHEST_PRIORITY_STEP = 255
MAX_TEXT = 255
"""Characters of a prefix, a separator or a key."""


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """The options of one app or of one worker; what is not said is kombu's default."""

    separator: str = SEPARATOR
    """What stands between a queue's name and a list's priority, and in bindings; `sep` in kombu's words."""
    priority_steps: tuple[int, ...] | None = None
    """The steps in ascending order; None where they are not known."""
    global_keyprefix: str = ""
    unacked_key: str = UNACKED
    unacked_index_key: str = UNACKED_INDEX
    unacked_mutex_key: str = UNACKED_MUTEX
    fanout_prefix: str = FANOUT_PREFIX
    """The prefix of the channels of events and remote control."""
    fanout_patterns: bool = True
    """Whether a channel of an event ends in its routing key."""

    @classmethod
    def from_transport_options(cls, options: Mapping[str, object]) -> "BrokerOptions":
        """Take the options that an app's `broker_transport_options` name; others than these are not looked at.

        Raises ValueError, which names the option and not its value.
        """
        return cls(
            separator=_text(options, "sep", default=SEPARATOR),
            priority_steps=_steps(options),
            global_keyprefix=_text(options, "global_keyprefix", default="", may_be_empty=True),
            unacked_key=_text(options, "unacked_key", default=UNACKED),
            unacked_index_key=_text(options, "unacked_index_key", default=UNACKED_INDEX),
            unacked_mutex_key=_text(options, "unacked_mutex_key", default=UNACKED_MUTEX),
            fanout_prefix=_fanout_prefix(options),
            fanout_patterns=_flag(options, "fanout_patterns"),
        )

    def list_of(self, queue_name: str, step: int) -> str:
        """The list of a queue for one priority step, as kombu names it; that of 0 bears the bare name."""
        return f"{queue_name}{self.separator}{step}" if step else queue_name

    def lists_of(self, queue_name: str) -> dict[int, str]:
        """Return the lists that are read, by step; empty where the steps are not known."""
        return {step: self.list_of(queue_name, step) for step in self.priority_steps or ()}

    def fanout_channel(self, exchange: str, database: int | str) -> str:
        """The channel of a broadcast on this database, without a routing key."""
        return self.global_keyprefix + self.fanout_prefix.replace("{db}", str(database)) + exchange


@dataclass(frozen=True, slots=True)
class OptionDifference:
    """Workers that cannot be reached, or not all of them alike, because of one option."""

    option: str
    workers: int
    meaning: str
    """A sentence: what differs, and what to write where."""


def _text(options: Mapping[str, object], name: str, *, default: str, may_be_empty: bool = False) -> str:
    value = options.get(name, default)
    if not isinstance(value, str) or len(value) > MAX_TEXT or not (value or may_be_empty):
        raise ValueError(f"{name} must be text of {0 if may_be_empty else 1} to {MAX_TEXT} characters")
    check_text(value)
    return value


def _steps(options: Mapping[str, object]) -> tuple[int, ...] | None:
    value = options.get("priority_steps")
    if value is None:
        return None
    if (
        not isinstance(value, list | tuple)
        or not 1 <= len(value) <= MOST_PRIORITY_STEPS
        or not all(map(_is_step, value))
    ):
        raise ValueError(f"priority_steps must be a list of whole numbers from 0 to {HIGHEST_PRIORITY_STEP}")
    return tuple(sorted(set(value)))


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_PRIORITY_STEP


def _fanout_prefix(options: Mapping[str, object]) -> str:
    """True is kombu's default, anything else that is empty is none."""
    value = options.get("fanout_prefix", True)
    if value is True:
        return FANOUT_PREFIX
    return _text({"fanout_prefix": value or ""}, "fanout_prefix", default="", may_be_empty=True)


def _flag(options: Mapping[str, object], name: str) -> bool:
    value = options.get(name, True)
    if not isinstance(value, bool | int | None):
        raise ValueError(f"{name} must be true or false")
    return bool(value)
