import pytest
import redis

from domain.errors import Unavailable
from gateway.connection import redis_client
from gateway.pause_keys import PauseKeys


async def test_held_nodes_have_a_key_until_they_are_released(redis_url: str) -> None:
    client = redis_client(redis_url)
    keys = PauseKeys(client)
    await keys.hold([])
    await keys.hold(["celery@one", "celery@two"])
    await keys.release("celery@two")
    await keys.release("celery@two")
    await client.aclose()
    with redis.Redis.from_url(redis_url, decode_responses=True) as looking:
        assert (looking.keys(), looking.get("celeriac:paused:celery@one")) == (["celeriac:paused:celery@one"], "1")
        assert looking.ttl("celeriac:paused:celery@one") == -1, "a pause has no end of its own"


async def test_without_redis_both_say_so() -> None:
    client = redis_client("redis://127.0.0.1:9/0")
    for call in (PauseKeys(client).hold(["celery@one"]), PauseKeys(client).release("celery@one")):
        with pytest.raises(Unavailable):
            await call
    await client.aclose()
