"""Structured logs on standard error, configured in the words of controller-runtime's zap flags."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog

Encoder = Literal["json", "console"]
TimeEncoding = Literal["epoch", "millis", "nano", "iso8601", "rfc3339", "rfc3339nano"]

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "panic": logging.CRITICAL,
    "dpanic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


def parse_level(text: str) -> int:
    """Return the logging level of zap's name for it; a positive number is a verbosity, so debug.

    Raises:
        ValueError: neither a known name nor a number.
    """
    if text.lower() in LEVELS:
        return LEVELS[text.lower()]
    if text.isdecimal():
        return logging.DEBUG if int(text) > 0 else logging.INFO
    raise ValueError(f"{text!r} is not a log level: write debug, info, warn, error, panic or a number.")


def configure(
    *,
    encoder: Encoder = "json",
    level: str = "info",
    stacktrace_level: str = "error",
    time_encoding: TimeEncoding = "rfc3339",
    stream: TextIO | None = None,
) -> None:
    """Send this program's logs, and the warnings of its libraries, to standard error.

    Args:
        encoder: one JSON object a line, or lines for people.
        level: what is logged at least (see `parse_level`).
        stacktrace_level: from which level on an exception is printed with its traceback.
        time_encoding: zap's name for the form of the timestamps.
        stream: instead of standard error.

    Raises:
        ValueError: a level is unknown.
    """
    threshold, tracebacks = parse_level(level), parse_level(stacktrace_level)
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        _Stamp(time_encoding),
        _Tracebacks(tracebacks),
        structlog.processors.format_exc_info,
    ]
    render = _renderer(encoder, colours=out.isatty())
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))


def _renderer(encoder: Encoder, *, colours: bool) -> list[structlog.typing.Processor]:
    if encoder == "json":
        return [
            structlog.processors.EventRenamer("msg"),
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    # Plain tracebacks: rich's are imported with it, 10 MB that the operator otherwise does without.
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]


class _Stamp:
    """Adds the time in one of zap's encodings; JSON fields keep zap's name for it."""

    def __init__(self, encoding: TimeEncoding) -> None:
        self._encoding = encoding

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["ts"] = self._format(datetime.now(UTC))
        return event

    def _format(self, now: datetime) -> str | float | int:
        match self._encoding:
            case "epoch":
                return now.timestamp()
            case "millis":
                return now.timestamp() * 1000
            case "nano":
                return int(now.timestamp() * 1_000_000) * 1000
            case "iso8601":
                return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            case "rfc3339":
                return now.isoformat(timespec="seconds").replace("+00:00", "Z")
            case "rfc3339nano":
                return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Tracebacks:
    """Keeps an exception's traceback from the given level on; below it, one line."""

    def __init__(self, level: int) -> None:
        self._level = level

    def __call__(self, _logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if "exc_info" in event and LEVELS.get("error" if name == "exception" else name, 0) < self._level:
            info = event.pop("exc_info")
            error = info if isinstance(info, BaseException) else sys.exc_info()[1]
            if error is not None:
                event["error"] = f"{type(error).__name__}: {error}"
        return event
