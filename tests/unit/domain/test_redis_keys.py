"""The names in Redis and the headers that Celeriac and its plugin share: the plugin may import none of our rooms."""

import ast
from pathlib import Path

from celeriac_worker import keys, retries
from celeriac_worker import stream as plugin_stream

from domain import redis_keys
from gateway import envelopes
from gateway.events import sources, stream

ROOT = Path(__file__).parents[3]


def test_the_plugin_has_the_same_names() -> None:
    theirs = [
        keys.node_key("n"),
        keys.paused_key("n"),
        keys.cancelled_key("t"),
        keys.run_key("t", 2, dispatch_no=3),
        plugin_stream.KEY,
    ]
    ours = [
        redis_keys.node_key("n"),
        redis_keys.paused_key("n"),
        redis_keys.cancelled_key("t"),
        redis_keys.run_key("t", retries=2, dispatch_no=3),
        redis_keys.STREAM_KEY,
    ]
    assert theirs == ours


def test_the_plugin_has_the_same_fields_and_headers() -> None:
    assert plugin_stream.FIELD.encode() == stream.FIELD
    assert keys.DISPATCH_NO_HEADER == envelopes.DISPATCH_NO_HEADER
    assert retries.HEADER == envelopes.MAX_RETRIES_HEADER
    assert sources._Headers.__struct_fields__ == (plugin_stream.STREAMED_HEADER,)


def test_no_other_module_makes_a_name() -> None:
    """Names of queues and apps begin otherwise, and what the command line says begins `celeriac: `."""
    found = {
        (path.relative_to(ROOT).parts[0], node.value)
        for room in ("api", "cli", "gateway", "loops", "mirror", "services", "store")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.startswith(("celeriac:", "{celeriac:")) and not node.value.startswith("celeriac: ")
    }
    assert found == set()


def test_names_of_different_things_never_meet() -> None:
    """Whatever a node, a process, a life or a client's address is called."""
    made = [
        name("x")
        for name in (
            redis_keys.node_key,
            redis_keys.paused_key,
            redis_keys.cancelled_key,
            redis_keys.process_key,
            redis_keys.life_channel,
            redis_keys.requests_key,
            redis_keys.published_key,
        )
    ]
    assert made == [
        "celeriac:node:x",
        "celeriac:paused:x",
        "celeriac:cancelled:x",
        "celeriac:x",
        "celeriac:life:x",
        "celeriac:requests:x",
        "celeriac:published:x",
    ]
    assert redis_keys.share_key(3) == "celeriac:events:share:3"
    fixed = {value for name, value in vars(redis_keys).items() if name.isupper()}
    assert not fixed & {redis_keys.process_key(process) for process in ("mirror", "loops")}
