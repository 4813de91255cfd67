"""Many messages in one go to Redis, where the server's answer to each is kept.

kombu's own batch raises the first error and forgets the other answers: which messages are in their queues is then not
known, and all of them would be sent again.
"""

from typing import Any

from redis.exceptions import ResponseError

from gateway.envelopes import Envelope
from gateway.server_life import life_of

MOST_BYTES = 1024 * 1024
"""What is sent at once: 500 messages of 1 MiB would take longer than any timeout, and be sent again for ever."""


class AnsweredBatch:
    """Messages for one go. After `execute`, also after one that raised, `answers` belong to the first of them."""

    def __init__(self) -> None:
        self._commands: list[tuple[str, tuple[Any, ...]]] = []
        self._size_bytes = 0
        self._list_name: str | None = None
        self.envelopes: list[Envelope] = []
        self.server: str | None = None
        """The life of the server that took them; None where it does not tell."""
        self.answers: list[object] = []
        """What the server said, the ResponseErrors among them."""

    def put(self, channel: Any, envelope: Envelope) -> None:
        """Add a message. One message is one command: nothing but a list is written, and no expiry is known."""
        message = envelope.on(channel)
        self._list_name = envelope.list_name
        # The door through which kombu's own batch collects commands.
        channel.basic_publish(message, exchange="", routing_key=envelope.queue_name, _publish_batch=self)
        self.envelopes.append(envelope)

    def add(self, name: str, *args: Any) -> None:
        """Take a key from kombu's channel, which it would choose by its own steps and its own separator first."""
        key = args[0] if self._list_name is None else self._list_name
        self._commands.append((name, (key, *args[1:])))
        self._size_bytes += len(args[-1])

    def is_full(self, most: int) -> bool:
        """Tell whether no more should be put into it."""
        return len(self.envelopes) >= most or self._size_bytes >= MOST_BYTES

    def execute(self, channel: Any) -> None:
        """Send all. Raises the driver's error if the connection breaks; an error that is an answer is kept."""
        with channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipeline:
            for name, args in self._commands:
                getattr(pipeline, name)(*args)
            # In the same go: a client connects anew by itself, perhaps to a server that was started meanwhile.
            pipeline.info("server")
            pipeline.parse_response = self._keep_answers(pipeline.parse_response)
            *_, answer = pipeline.execute(raise_on_error=False)
            self.server = life_of(answer)

    def _keep_answers(self, parse_response: Any) -> Any:
        """What had been answered before the connection broke is known; `execute` would throw it away."""

        def keep(connection: Any, command_name: str, **options: Any) -> Any:
            try:
                answer = parse_response(connection, command_name, **options)
            except ResponseError as error:
                self.answers.append(error)
                raise
            self.answers.append(answer)
            return answer

        return keep
