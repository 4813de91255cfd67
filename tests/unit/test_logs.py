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


BAD = r"'\x1b]0;pwn\x07\x9b31m\u202e\r\n2026-01-01 forged'"


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(
    "line",
    [
        f"structlog.get_logger().info({BAD}, field={BAD})",
        f"structlog.get_logger().info('x', field=[{BAD}])",
        f"structlog.contextvars.bind_contextvars(request_id={BAD}); structlog.get_logger().info('x')",
        f"logging.getLogger('x').warning('%s', {BAD})",
        f"try: raise ValueError({BAD})\nexcept ValueError: structlog.get_logger().exception('x')",
        f"try: raise ValueError({BAD})\nexcept ValueError: logging.getLogger('x').exception('x')",
    ],
)
def test_what_others_chose_neither_steers_a_terminal_nor_makes_a_line(format: str, line: str) -> None:
    text = stderr_of(line, format=format)
    assert "pwn" in text
    assert not [char for char in text if char != "\n" and not char.isprintable()]
    assert not [line for line in text.splitlines() if line.startswith("2026-01-01")]


def test_half_a_surrogate_pair_does_not_stop_the_line() -> None:
    (event,) = events_of(r"structlog.get_logger().info('odd', value='a\ud800', other=object())")
    assert event["value"] == "a\ud800"


def test_console_lines_are_bounded() -> None:
    text = stderr_of("structlog.get_logger().info('x' * 1_000_000, field='y' * 1_000_000)", format="console")
    assert len(text) < 20_000


CELERY = """
import io, sys
from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger
from logs import clean_handlers
for signal in (after_setup_logger, after_setup_task_logger):
    signal.connect(clean_handlers, weak=False)
Celery("x").log.setup_logging_subsystem(loglevel="INFO")
"""


@pytest.mark.parametrize("logger", ["celery.app.trace", "celery.task", "anything"])
def test_celery_lines_are_clean(logger: str) -> None:
    lines = (
        f"{CELERY}\nlog = logging.getLogger({logger!r})\n"
        f"log.info('Task %(name)s', {{'name': {BAD}}})\n"
        f"log.info('y' * 1_000_000)\n"
        f"try: raise ValueError({BAD})\nexcept ValueError: log.exception({BAD})"
    )
    text = stderr_of(lines)
    assert text.count("pwn") >= 3
    assert "Traceback" in text
    assert not [char for char in text if char != "\n" and not char.isprintable()]
    assert [line for line in text.splitlines() if not line.startswith(("[", " "))] == []
    assert not [line for line in text.splitlines() if line.startswith("[2026-01-01")]
    assert len(text) < 20_000
