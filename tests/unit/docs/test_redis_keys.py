"""docs/redis-keys.md lists every key of ours in Redis; every one of the plugin's is named on our side too."""

import re
from pathlib import Path

from tools.code_map import redis_keys, shape_of

PAGE = (Path(__file__).parents[3] / "docs" / "redis-keys.md").read_text()


def test_the_table_is_that_of_the_code() -> None:
    listed = re.findall(r"^\| `(?:LIMITS:)?([^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(map(shape_of, listed)) == sorted(map(shape_of, redis_keys()))


def test_every_key_of_the_plugin_is_known_on_our_side() -> None:
    plugins, ours = ({*map(shape_of, redis_keys(of_plugin=whose))} for whose in (True, False))
    assert plugins
    assert plugins <= ours
