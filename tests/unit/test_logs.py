"""Each case runs in a process of its own, since logs are set up once for a process."""

import json
import subprocess
import sys
from typing import Any

import pytest

LINES = """
import logging, warnings, structlog, logs
logs.configure({level!r}, {format!r})
{lines}
"""


def stderr_of(lines: str, *, level: str = "info", format: str = "json") -> str:
    script = LINES.format(level=level, format=format, lines=lines)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr


def events_of(lines: str, *, level: str = "info") -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr_of(lines, level=level).splitlines()]


def test_an_event_is_one_line_of_json_with_its_fields_and_what_is_bound() -> None:
    (event,) = events_of(
        "structlog.contextvars.bind_contextvars(request_id='r')\n"
        "structlog.get_logger('x').info('started', at=__import__('datetime').date(2026, 1, 2), kind={1})"
    )
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "started", "level": "info", "request_id": "r", "at": "2026-01-02", "kind": [1]}


def test_a_field_that_is_no_json_does_not_stop_the_line() -> None:
    (event,) = events_of("structlog.get_logger().info('odd', value=object())")
    assert event["value"].startswith("<object object")


def test_libraries_come_out_in_the_same_form() -> None:
    up, old = events_of("logging.getLogger('uvicorn.error').info('up %s', 1)\nwarnings.warn('old')")
    assert (up["event"], up["level"], up["logger"]) == ("up 1", "info", "uvicorn.error")
    assert "old" in old["event"]


def test_what_lies_below_the_level_and_libraries_talk_is_left_out() -> None:
    lines = "structlog.get_logger().info('no')\nlogging.getLogger('a').info('no')\nstructlog.get_logger().error('yes')"
    assert [event["event"] for event in events_of(lines, level="warning")] == ["yes"]
    assert events_of("logging.getLogger('httpx').info('GET http://user:pw@host')") == []


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(format: str) -> None:
    lines = (
        "def f(argument):\n    local = argument * 2\n    raise ValueError('boom')\n"
        "try:\n    f('hunter')\nexcept ValueError:\n"
        "    structlog.get_logger().exception('failed')\n    logging.getLogger('x').exception('failed too')"
    )
    text = stderr_of(lines, format=format)
    assert text.count("boom") == 2
    assert "Traceback" in text
    assert "hunterhunter" not in text
