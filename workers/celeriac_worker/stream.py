"""Events that outlive an absent Celeriac: on Redis each one also goes to a stream, where it stays until it is stored.

Celery publishes events on Redis to whoever listens at that moment. They still go out that way, for Flower and others,
with a header by which Celeriac leaves those aside that it finds in the stream. On RabbitMQ a queue of Celeriac's keeps
them. Reading the stream is Celeriac's own business (`gateway/events/stream.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cached_property
from itertools import islice
from typing import Any

import redis
from celery import Celery
from celery.utils.log import get_logger
from kombu.serialization import dumps
from kombu.utils.imports import symbol_by_name

from celeriac_worker.keys import redis_url
from celeriac_worker.servers import broker_address, connect

KEY = "celeriac:events"
FIELD = "body"
STREAMED_HEADER = "celeriac_kept"
"""The header of a published message that is in the stream as well."""
STREAM_LENGTH = 1_000_000
"""How many messages wait for Celeriac at most; then Redis drops the oldest, and Celeriac records a gap."""
MAX_WAITING = 10_000
"""How many messages wait here for Redis. They were published without the header, so losing them loses a copy."""
PORTION = 500
SPACING_SECONDS = 0.005
"""Time between two publications of task events while a worker is busy; Celery itself publishes them many times more
often, which takes two fifths of its main process. After a rest the first goes out at once.
"""
PAUSE_SECONDS = 5.0
"""Time between tries while Redis does not answer: a try may hold up the worker for `servers.ANSWER_SECONDS`."""

logger = get_logger(__name__)


def stream_events(app: Celery[Any]) -> None:
    """Keep for Celeriac all that this app tells from now on; a second call changes nothing."""
    own = symbol_by_name(app.events.dispatcher_cls)
    if not issubclass(own, StreamedEvents):
        events: Any = app.events
        events.dispatcher_cls = type("EventDispatcher", (StreamedEvents, own), {"stream": EventStream(app)})
        # Made from the class at its first use, which may have been.
        vars(app.events).pop("Dispatcher", None)


class StreamedEvents:
    """Mixed into the app's dispatcher of events. One is made for each connection; the stream is the app's."""

    stream: EventStream
    exchange: Any
    hostname: str
    serializer: str
    headers: dict[str, Any]
    delivery_mode: int

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.exchange.type != "fanout":
            self.delivery_mode = 2  # RabbitMQ: Celery's default does not survive a restart of the broker

    def _publish(self, event: Any, producer: Any, *args: Any, **options: Any) -> None:
        """Called under the dispatcher's lock, for one event or for a list of them."""
        if producer is not None and self.exchange.type == "fanout":
            is_streamed = self._add(event)
            self.headers = {"hostname": self.hostname} | ({STREAMED_HEADER: True} if is_streamed else {})
        super()._publish(event, producer, *args, **options)  # type: ignore[misc]

    def _add(self, event: Any) -> bool:
        """Add it to the stream. Whatever fails here, Celery publishes the event all the same, and the host's worker
        goes on.
        """
        try:
            return self.stream.add(dumps(event, self.serializer)[2])
        except Exception as error:
            logger.error("An event is not kept for Celeriac (%s): if that is away, it is missed.", type(error).__name__)
            return False


class Spaced:
    """Calls at once if the last call was long ago, else when `SPACING_SECONDS` have passed, once for all."""

    def __init__(self, call: Callable[[], None], call_later: Callable[[float], object]) -> None:
        """Prepare to call; `call_later` takes the seconds until then."""
        self._call = call
        self._call_later = call_later
        self._called_at = 0.0
        """In the future while a call is due."""

    def __call__(self) -> None:
        now = time.monotonic()
        wait = self._called_at + SPACING_SECONDS - now
        if wait <= 0:
            self._called_at = now
            self._call()
        elif self._called_at <= now:
            self._called_at = now + wait
            self._call_later(wait)


def space_events(consumer: Any) -> None:
    """Let `SPACING_SECONDS` pass between two publications of task events by this consumer; Celery has one in each
    round.
    """
    hub, dispatcher = consumer.hub, consumer.event_dispatcher
    if hub is not None and dispatcher is not None:
        # Not by `call_soon`: from a timer that means the round after the next sleep, up to a second later.
        dispatcher.on_send_buffered = Spaced(
            consumer.on_send_event_buffered, lambda seconds: hub.call_later(seconds, flush_events, consumer)
        )


def flush_events(consumer: Any) -> None:
    """Publish task events that wait for their turn, while there is a connection; else the next one takes them over."""
    if consumer.event_dispatcher is not None:
        consumer.event_dispatcher.flush()


class EventStream:
    """Adds messages in their order, and tries those again that Redis did not take. Shared by threads."""

    def __init__(self, app: Celery[Any]) -> None:
        self._app = app
        self._waiting: deque[bytes | str] = deque(maxlen=MAX_WAITING)
        self._next_try_at = 0.0
        self._lock = threading.Lock()

    def add(self, body: bytes | str) -> bool:
        """Return whether the message is in the stream now. One that comes there later, or twice, is known by its
        content.

        False as well where no Celeriac has ever read the stream: it makes it, so that none grows that nobody reads.
        """
        if self._client is None:
            return False
        with self._lock:
            self._waiting.append(body)
            return time.monotonic() >= self._next_try_at and self._try(self._client)

    @cached_property
    def _client(self) -> redis.Redis | None:
        conf = self._app.conf
        url = redis_url(broker_address(conf, conf.broker_write_url))
        return None if url is None else connect(url)

    def _try(self, client: redis.Redis) -> bool:
        try:
            return self._flush(client)
        except (redis.RedisError, OSError) as error:
            # The class alone: its text may name the server.
            logger.warning("Events wait for Redis (%s); until then they can be missed.", type(error).__name__)
            self._next_try_at = time.monotonic() + PAUSE_SECONDS
            return False

    def _flush(self, client: redis.Redis) -> bool:
        is_added = False
        while self._waiting:
            portion = list(islice(self._waiting, PORTION))
            with client.pipeline(transaction=False) as pipe:
                for body in portion:
                    pipe.xadd(KEY, {FIELD: body}, maxlen=STREAM_LENGTH, approximate=True, nomkstream=True)
                is_added = pipe.execute()[-1] is not None
            for _ in portion:
                self._waiting.popleft()
        return is_added
