"""Log lines for every process: one event with fields each, on stderr, as JSON or for people.

Libraries that log through the standard library come out in the same form. Nothing prints local variables: they hold
task arguments. What must never be logged (arguments, bodies, keys, URLs with passwords) is kept out by who logs.
Names and errors that others chose are logged; no character of them steers a terminal or makes a line of its own.
"""

import json
import logging
import sys
from io import StringIO
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from domain.printable import MAX_LINE, printable, printable_lines

# They tell at info what our own events tell better, or what nobody wants to read at all.
_QUIET_LIBRARIES = ("uvicorn.access", "httpx", "httpcore", "alembic", "kombu", "amqp")

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(level: str, format: str) -> None:
    """Set the logs up, once, at the start of a process. `level` as in settings; `format` is `json` or `console`."""
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
    return [_clean, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_print_traceback)]


def _clean(_: WrappedLogger, __: str, event: EventDict, /) -> EventDict:
    """Text in one line each; what is no text is shown by its `repr`, which escapes by itself."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, max_length=MAX_LINE)
    return event


def _print_traceback(to: TextIO, error: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    to.write("\n" + printable_lines(text.getvalue().strip("\n"), max_line=MAX_LINE))


def _to_json(event: Any, default: Any) -> str:
    """Still JSON: what `printable` writes is an escape of JSON's own."""
    try:
        return printable(msgspec.json.encode(event, enc_hook=default).decode())
    except UnicodeEncodeError:
        return json.dumps(event, default=default)  # half a surrogate pair, which is no UTF-8


class CleanFormatter(logging.Formatter):
    """Another formatter's records with nothing in them that steers a terminal or makes a line of its own.

    Colours go, too: in a finished line nobody can tell a formatter's escapes from those of a client.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it, indented."""
        exc_text = record.exc_text
        if not exc_text and record.exc_info:
            exc_text = self._inner.formatException(record.exc_info)
        alone = {"msg": record.getMessage(), "args": (), "exc_info": None, "exc_text": None, "stack_info": None}
        line = printable(self._inner.format(logging.makeLogRecord(record.__dict__ | alone)), max_length=MAX_LINE)
        below = [text for text in (exc_text, record.stack_info) if text]
        return "\n  ".join([line, *(printable_lines(text, max_line=MAX_LINE) for text in below)])


def clean_handlers(logger: logging.Logger, **_: object) -> None:
    """Let no handler of this logger write what is not clean; takes Celery's signals, which tell more."""
    for handler in logger.handlers:
        if not isinstance(handler.formatter, CleanFormatter):
            handler.setFormatter(CleanFormatter(handler.formatter or logging.Formatter()))
