"""Logs: events with ids and UIDs, never a person's attributes."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog


class Unfailing:
    """A stream whose failures are nobody's business: a full disk or a broken pipe under the log must not stop the work that it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As ``write``."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(*, as_json: bool = False, level: str = "INFO") -> None:
    """Send all logs to standard error, as lines for people or as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(
            cast(TextIO, Unfailing(sys.stderr))
        ),  # a line and its end in one write: libraries write beside us
        cache_logger_on_first_use=False,
    )
    others = logging.StreamHandler(
        cast(TextIO, Unfailing(sys.stderr))
    )  # what libraries say, in the same form; called again it replaces the one before
    others.name = "archipel"
    own_keys = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    others.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[own_keys, renderer], foreign_pre_chain=[*shared, _library]))
    root = logging.getLogger()
    for before in [handler for handler in root.handlers if handler.name == others.name]:
        root.removeHandler(before)
    root.addHandler(others)
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger("pydicom").setLevel(logging.ERROR)  # its warnings quote values of datasets


def _library(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The name of the library's logger, under ``logger``."""
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event
