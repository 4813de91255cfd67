from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.errors import Unavailable
from domain.redis_keys import paused_key
from gateway.pause_keys import PauseKeys
from tests.fakes.scripted_redis import ScriptedRedis


async def test_all_nodes_are_held_at_once_without_an_end_and_each_is_released_alone() -> None:
    server: Any = ScriptedRedis()
    keys = PauseKeys(server)
    await keys.hold(["one", "two"])
    await keys.release("one")
    assert server.commands == [
        ("mset", {paused_key("one"): "1", paused_key("two"): "1"}),
        ("delete", paused_key("one")),
    ]


async def test_to_hold_nobody_asks_nothing_of_a_server_that_would_refuse_it() -> None:
    server: Any = ScriptedRedis()
    await PauseKeys(server).hold([])
    assert server.commands == []


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), OSError("no route")])
async def test_a_pause_that_cannot_be_kept_is_not_told_as_kept(error: Exception) -> None:
    server: Any = ScriptedRedis(mset=error, delete=error)
    for order in (PauseKeys(server).hold(["one"]), PauseKeys(server).release("one")):
        with pytest.raises(Unavailable) as refusal:
            await order
        assert refusal.value.__cause__ is error
