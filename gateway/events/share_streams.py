"""The streams of the shares on Redis: packets for other mirrors go in, those of our own shares come out.

Nobody trims them. While a thousand packets wait in one of another mirror, we read no more that would go there.
"""

from collections.abc import Callable, Sequence

from redis import Redis
from redis.exceptions import ResponseError

from domain.redis_keys import STREAM_COUNTS_KEY, STREAM_KEY, share_key
from domain.shares import Shares

PACKET_FIELD = b"packet"
MOST_PACKETS = 1_000

# KEYS: the stream of all, its sums, and the stream of each packet. ARGV: the group, the field, how many messages of the
# stream are in the packets as a whole, their ids, the packets. Returns the length of the longest.
_SEND = """
local moved = tonumber(ARGV[3])
local longest = 0
for i = 3, #KEYS do
  redis.call('XADD', KEYS[i], '*', ARGV[2], ARGV[i + 1 + moved])
  longest = math.max(longest, redis.call('XLEN', KEYS[i]))
end
if moved > 0 then
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 4, 3 + moved))
  redis.call('HINCRBY', KEYS[2], 'stored', redis.call('XDEL', KEYS[1], unpack(ARGV, 4, 3 + moved)))
end
return longest
"""


class ShareStreams:
    """The streams that one mirror reads and writes, over the client of its thread."""

    def __init__(self, client: Redis, shares: Callable[[], Shares], *, group: str) -> None:
        self._client = client
        self._shares = shares
        self._group = group
        self._send = client.register_script(_SEND)
        self._joined: set[str] = set()
        self._left_over: list[str] = []
        self._longest = 0

    def leave(self) -> None:
        """Forget which groups are there: on another connection they may not be."""
        self._joined.clear()

    def look(self) -> None:
        """Find out what others have left, where we are alone; then nothing new comes."""
        shares = self._shares()
        if shares.alone and shares.count > 1:
            keys = [share_key(share) for share in range(shares.count)]
            self._left_over = [key for key, length in zip(keys, self._lengths(keys), strict=True) if length]
        else:
            self._left_over = []

    def ours(self) -> list[str]:
        """Return the streams to read."""
        shares = self._shares()
        keys = self._left_over if shares.alone else [share_key(share) for share in sorted(shares.owned)]
        for key in keys:
            self._join(key)
        return keys

    def send(self, packets: Sequence[tuple[int, bytes]], *, moved: Sequence[bytes]) -> None:
        """Add packets, and delete the messages that are wholly in them, in one step."""
        keys = [share_key(share) for share, _ in packets]
        bodies = [packet for _, packet in packets]
        args: list[str | bytes | int] = [self._group, PACKET_FIELD, len(moved), *moved, *bodies]
        self._longest = int(self._send(keys=[STREAM_KEY, STREAM_COUNTS_KEY, *keys], args=args))

    def has_room(self) -> bool:
        """Tell whether the others keep up, asking while they do not."""
        if self._longest >= MOST_PACKETS:
            shares = self._shares()
            theirs = [share_key(share) for share in range(shares.count) if share not in shares.owned]
            self._longest = max(self._lengths(theirs), default=0)
        return self._longest < MOST_PACKETS

    def _lengths(self, keys: Sequence[str]) -> list[int]:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.xlen(key)
            return list(map(int, pipe.execute()))

    def _join(self, key: str) -> None:
        if key in self._joined:
            return
        try:
            self._client.xgroup_create(key, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._joined.add(key)
