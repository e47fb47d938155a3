from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mcp_gateway_operator.runtime.logs import configure, parse_level


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Put back what the tests configure, and let them see real output."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def logged(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def divide() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")


def test_json_has_one_object_a_line_with_level_time_and_fields() -> None:
    out = io.StringIO()
    configure(stream=out)
    structlog.get_logger("x").info("hello", key=("ns", "name"), number=3)
    (line,) = logged(out)
    assert line["msg"] == "hello"
    assert line["level"] == "info"
    assert line["key"] == ["ns", "name"]
    assert line["ts"].endswith("Z")


def test_what_is_below_the_level_is_not_logged() -> None:
    out = io.StringIO()
    configure(level="warn", stream=out)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["msg"] for line in logged(out)] == ["loud"]


def test_libraries_are_heard_from_warnings_on() -> None:
    out = io.StringIO()
    configure(level="debug", stream=out)
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("httpx2").warning("odd %s", "thing")
    (line,) = logged(out)
    assert (line["msg"], line["logger"], line["level"]) == ("odd thing", "httpx2", "warning")


def test_a_traceback_is_printed_from_the_stacktrace_level_on() -> None:
    out = io.StringIO()
    configure(stream=out)
    divide()
    assert "Traceback" in logged(out)[0]["exception"]


def test_below_the_stacktrace_level_an_exception_is_one_line() -> None:
    out = io.StringIO()
    configure(stacktrace_level="panic", stream=out)
    divide()
    (line,) = logged(out)
    assert line["error"] == "ZeroDivisionError: division by zero"
    assert "exception" not in line


def test_console_output_is_readable_and_without_colours_in_a_file() -> None:
    out = io.StringIO()
    configure(encoder="console", stream=out)
    structlog.get_logger().warning("hello", name="x")
    divide()
    assert "hello" in out.getvalue()
    assert "name=x" in out.getvalue()
    assert "ZeroDivisionError" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [("epoch", float), ("millis", float), ("nano", int), ("iso8601", str), ("rfc3339nano", str)],
)
def test_time_encodings_are_zaps(encoding: Any, kind: type) -> None:
    out = io.StringIO()
    configure(time_encoding=encoding, stream=out)
    structlog.get_logger().info("x")
    assert isinstance(logged(out)[0]["ts"], kind)


@pytest.mark.parametrize(
    ("text", "level"),
    [("debug", 10), ("info", 20), ("INFO", 20), ("error", 40), ("panic", 50), ("1", 10), ("5", 10)],
)
def test_zaps_level_names_and_numbers_are_understood(text: str, level: int) -> None:
    assert parse_level(text) == level


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="debug, info, warn"):
        parse_level("loud")
