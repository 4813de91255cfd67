"""Log lines for every process: one event with fields each, on stderr, as JSON or for people.

Libraries that log through the standard library come out in the same form. Nothing prints local variables: they hold
task arguments. What must never be logged (arguments, bodies, keys, URLs with passwords) is kept out by who logs.
"""

import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import Processor

# They tell at info what our own events tell better, or what nobody wants to read at all.
_QUIET_LIBRARIES = ("uvicorn.access", "httpx", "httpcore", "alembic", "kombu", "amqp")

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(level: str, format: str) -> None:
    """Once, at the start of a process. `level` as in settings; `format` is `json` or `console`."""
    least = logging.getLevelNamesMapping()[level.upper()]
    renderers = _json_renderers() if format == "json" else _console_renderers()
    structlog.configure(
        processors=[*_SHARED, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_standard_library(least, renderers)


def _configure_standard_library(least: int, renderers: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=least, force=True)
    logging.captureWarnings(True)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))


def _json_renderers() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _console_renderers() -> list[Processor]:
    # The default formatter would show the local variables of every frame.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _to_json(event: Any, default: Any) -> str:
    return msgspec.json.encode(event, enc_hook=default).decode()
