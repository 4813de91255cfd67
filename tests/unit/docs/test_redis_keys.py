"""docs/redis-keys.md lists every key of ours in Redis; where the plugin names one as well, it means the same."""

import re
from pathlib import Path

from celeriac_worker import keys, stream
from gateway import event_stream
from gateway.pause_keys import PREFIX
from services.cancel import cancelled_key
from tools.code_map import redis_keys, shape_of

PAGE = (Path(__file__).parents[3] / "docs" / "redis-keys.md").read_text()


def test_the_table_is_that_of_the_code() -> None:
    listed = re.findall(r"^\| `(?:LIMITS:)?([^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(map(shape_of, listed)) == sorted(map(shape_of, redis_keys()))


def test_the_plugin_means_the_same_keys() -> None:
    assert keys.cancelled_key("id") == cancelled_key("id")
    assert keys.paused_key("node") == f"{PREFIX}node"
    assert stream.KEY == event_stream.STREAM_KEY
