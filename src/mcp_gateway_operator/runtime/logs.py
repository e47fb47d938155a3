"""Structured logs on standard error, configured in the words of controller-runtime's zap flags."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO, cast

import structlog

from mcp_gateway_operator.runtime.log_output import REPORT_SECONDS, Allowance, LogOutput, Rate
from mcp_gateway_operator.shown import shown, shown_lines

Encoder = Literal["json", "console"]
TimeEncoding = Literal["epoch", "millis", "nano", "iso8601", "rfc3339", "rfc3339nano"]

MAX_VALUE: Final = 4096
"""Characters of one value in a line."""
MAX_TRACEBACK: Final = 32 * 1024
"""Characters of a traceback; its end says the most."""
_FREE: Final = {"free": True}
"""Marks a line that no rate leaves out."""

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "panic": logging.CRITICAL,
    "dpanic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "critical": logging.CRITICAL,
}

log = structlog.get_logger(__name__)


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
    encoder: Encoder | None = None,
    level: str = "info",
    stacktrace_level: str = "error",
    time_encoding: TimeEncoding = "rfc3339",
    rate: Rate | None = None,
    stream: TextIO | None = None,
) -> Report:
    """Send this program's logs, the warnings of its libraries and its last words to standard error.

    Logging then never fails and never waits for long. Every line is one line but for tracebacks, and shows
    all of what is in it.

    Args:
        encoder: one JSON object a line, or lines for people; None for what suits: these on a terminal.
        level: what is logged at least (see `parse_level`).
        stacktrace_level: from which level on an exception is printed with its traceback.
        time_encoding: zap's name for the form of the timestamps.
        rate: how many lines below warnings there may be, and as many above; None for any number.
        stream: instead of standard error.

    Returns:
        What tells in the log how many lines are not in it.

    Raises:
        ValueError: a level is unknown.
    """
    threshold, tracebacks = parse_level(level), parse_level(stacktrace_level)
    out, allowance = LogOutput(stream or sys.stderr), Allowance(rate)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Stamp(time_encoding),
        _Tracebacks(tracebacks),
        structlog.processors.format_exc_info,
        _show,
    ]
    terminal = out.isatty()
    render = _renderer(encoder or ("console" if terminal else "json"), colours=terminal)
    structlog.configure(
        processors=[_Limit(allowance), *shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, out)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(cast(TextIO, out))
    handler.addFilter(lambda record: allowance.take(serious=record.levelno >= logging.WARNING))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    _take_last_words()
    return Report(allowance, out)


class Report:
    """Says in the log how many lines are not in it."""

    def __init__(self, allowance: Allowance, out: LogOutput) -> None:
        self._allowance = allowance
        self._out = out

    async def run(self) -> None:
        """Tell at intervals, until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(REPORT_SECONDS)
                self.tell()
        finally:
            self.tell()

    def tell(self) -> None:
        """Tell of the lines since the last time, when there are any."""
        if count := self._allowance.take_count():
            lost = self._out.lost
            log.warning(
                "log lines were left out: there were more than --log-rate allows", count=count, **_FREE
            )
            if self._out.lost > lost:
                self._allowance.put_back(count)
        if count := self._out.take_count():
            log.warning("log lines could not be written", count=count, **_FREE)


def _take_last_words() -> None:
    """Let what nothing catches be logged like the rest, and the warnings of Python as well."""

    def on_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("the process ends because of an error that nothing caught", exc_info=error)

    def on_thread(args: threading.ExceptHookArgs) -> None:
        log.error("a thread ends because of an error that nothing caught", exc_info=args.exc_value)

    def on_unraisable(args: sys.UnraisableHookArgs) -> None:
        log.error(args.err_msg or "an error that could not be raised", exc_info=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = on_end, on_thread, on_unraisable
    logging.captureWarnings(capture=True)


def _renderer(encoder: Encoder, *, colours: bool) -> list[structlog.typing.Processor]:
    if encoder == "json":
        return [_order, structlog.processors.JSONRenderer(ensure_ascii=False)]
    # Plain tracebacks: rich's are imported with it, 10 MB that the operator otherwise does without.
    return [
        structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback, timestamp_key="ts"
        )
    ]


def _order(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put what every line has first, under zap's names."""
    first = {"ts": event.pop("ts"), "level": event.pop("level"), "msg": event.pop("event", "")}
    return {**first, **event}


def _show(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show every value in full, but for its length; of a traceback each line."""
    trace = event.pop("exception", None)
    shown_event: dict[str, Any] = {key: _fit(value) for key, value in event.items()}
    if trace is not None:
        shown_event["exception"] = shown_lines(str(trace)[-2 * MAX_TRACEBACK :])[-MAX_TRACEBACK:]
    return shown_event


def _fit(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {shown(str(key), MAX_VALUE): _fit(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_fit(each) for each in value]
        case _:
            return shown(str(value), MAX_VALUE)


class _Limit:
    """Leaves out what is more than a rate allows."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance

    def __call__(self, _logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.pop("free", False) or self._allowance.take(serious=name not in {"debug", "info"}):
            return event
        raise structlog.DropEvent


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
