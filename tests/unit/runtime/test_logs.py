from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars

from mcp_gateway_operator.runtime import log_output
from mcp_gateway_operator.runtime.log_output import REPORT_SECONDS, Rate
from mcp_gateway_operator.runtime.logs import configure, parse_level
from tests.support.real_logs import logging_put_back
from tests.support.unseen import NASTY, SECRET, texts, unseen
from tests.support.virtual_time import pass_time


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Put back what the tests configure, and let them see real output."""
    with logging_put_back():
        yield


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


def test_time_level_and_message_come_first() -> None:
    out = io.StringIO()
    configure(stream=out)
    structlog.get_logger(first="bound").info("hello", zone="a", age=3)
    divide()
    logging.getLogger("httpx2").warning("odd")
    for line in out.getvalue().splitlines():
        assert line.startswith('{"ts": "20')
        assert list(json.loads(line))[:3] == ["ts", "level", "msg"]


def on(terminal: bool) -> io.StringIO:
    """Return a stream that is a terminal, or is none."""
    out = io.StringIO()
    out.isatty = lambda: terminal  # type: ignore[method-assign]  # as good as a subclass
    return out


@pytest.mark.parametrize(
    ("terminal", "encoder", "json_"),
    [
        (True, None, False),
        (False, None, True),
        (True, "json", True),
        (False, "console", False),
    ],
)
def test_on_a_terminal_lines_are_for_people_unless_the_flag_says_otherwise(
    terminal: bool, encoder: Any, json_: bool
) -> None:
    out = on(terminal)
    configure(encoder=encoder, stream=out)
    structlog.get_logger().info("hello", name="x")
    assert out.getvalue().startswith("{") is json_
    assert ("\x1b[" in out.getvalue()) is (terminal and not json_)


NASTY_TEXT = "before" + "".join(NASTY) + "after"


@pytest.mark.parametrize("encoder", ["json", "console"])
@given(text=st.text(st.characters() | st.sampled_from(NASTY), min_size=1, max_size=100))
@example(text=NASTY_TEXT)
def test_nothing_is_hidden_in_a_line_whatever_it_is_about(encoder: Any, text: str) -> None:
    out = io.StringIO()
    configure(encoder=encoder, stream=out)
    log = structlog.get_logger()
    log.info(text, error=text, items=[text], key=(text, text), fields={text: text}, thing=Thing(text))
    log.error("failed", error=RuntimeError(text))
    logging.getLogger("library").warning("odd %s", text)
    try:
        fail(text)
    except RuntimeError:
        log.exception("failed", name=text)
        logging.getLogger("library").exception("odd")
    written = out.getvalue()
    for line in written.split("\n"):
        assert not unseen(line)
    written.encode()
    if encoder == "json":
        for entry in logged(out):
            for value in texts(entry):
                assert not any(unseen(line) for line in value.split("\n"))
        assert [("exception" in entry) for entry in logged(out)] == [False, False, False, True, True]
        assert all("\n" not in value for entry in logged(out)[:3] for value in texts(entry))


@pytest.mark.parametrize("encoder", ["json", "console"])
def test_the_query_of_a_url_is_in_no_line(encoder: Any) -> None:
    out = io.StringIO()
    configure(encoder=encoder, stream=out)
    url = f"https://a.example.com/mcp?key={SECRET}"
    log = structlog.get_logger()
    log.info(url, error=RuntimeError(url), items=[url], fields={url: url})
    try:
        fail(url)
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("odd %s", url)
    assert "https://a.example.com/mcp?…" in out.getvalue()
    assert SECRET not in out.getvalue()


def fail(text: str) -> None:
    raise RuntimeError(text)


class Thing:
    """Something that is logged as what it says of itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def test_lines_are_bounded_whatever_is_logged() -> None:
    out = io.StringIO()
    configure(stream=out)
    structlog.get_logger().warning("x" * 1_000_000, error="\x1b" * 1_000_000)
    assert len(out.getvalue()) < 20_000


class Clock:
    """A clock that stands until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which lines are counted."""
    clock = Clock()
    allowance = partial(log_output.Allowance, clock=clock)
    monkeypatch.setattr("mcp_gateway_operator.runtime.logs.Allowance", allowance)
    return clock


def test_what_is_more_than_the_rate_is_left_out_and_told_of(clock: Clock) -> None:
    out = io.StringIO()
    report = configure(stream=out, rate=Rate.parse("10:50"))
    for number in range(200):
        structlog.get_logger().info("turn", number=number)
    assert [line["number"] for line in logged(out)] == list(range(50))
    clock.now = 2.0
    for number in range(200):
        structlog.get_logger().info("turn", number=number)
    assert len(logged(out)) == 70
    report.tell()
    report.tell()
    assert len(logged(out)) == 71
    told = logged(out)[-1]
    assert (told["level"], told["count"]) == ("warning", 330)
    assert "--log-rate" in told["msg"]


def test_warnings_and_errors_have_a_rate_of_their_own_also_those_of_libraries(clock: Clock) -> None:
    out = io.StringIO()
    report = configure(stream=out, rate=Rate.parse("1:5"))
    for _ in range(20):
        structlog.get_logger().info("busy")
    structlog.get_logger().error("broken")
    for _ in range(20):
        logging.getLogger("library").warning("odd")
    assert [line["msg"] for line in logged(out)] == [*["busy"] * 5, "broken", *["odd"] * 4]
    report.tell()
    assert logged(out)[-1]["count"] == 15 + 16
    assert clock.now == 0.0


def test_what_was_left_out_is_told_of_until_somebody_can_read_it(clock: Clock) -> None:
    out = Full()
    report = configure(stream=out, rate=Rate.parse("1:5"))
    for _ in range(8):
        structlog.get_logger().info("busy")
    out.full = True
    report.tell()
    out.full = False
    report.tell()
    told = [(line["msg"][:24], line["count"]) for line in logged(out) if line["level"] == "warning"]
    assert told == [("log lines were left out:", 3), ("log lines could not be w", 1)]
    assert clock.now == 0.0


class Full(io.StringIO):
    """A stream on a disk that may be full."""

    full = False

    def write(self, text: str) -> int:
        """Write, or fail."""
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_line_of_a_library_says_for_which_object_it_was() -> None:
    out = io.StringIO()
    configure(stream=out)
    with bound_contextvars(name="weather"):
        logging.getLogger("botocore").warning("credentials could not be refreshed")
        structlog.get_logger().info("own", other=1)
    logging.getLogger("botocore").warning("nobody's")
    assert [line.get("name") for line in logged(out)] == ["weather", "weather", None]


def test_without_a_rate_everything_is_logged() -> None:
    out = io.StringIO()
    report = configure(stream=out, rate=Rate.parse("unlimited"))
    for _ in range(5000):
        structlog.get_logger().info("turn")
    report.tell()
    assert len(logged(out)) == 5000


@pytest.mark.parametrize(
    ("text", "rate"), [("100:1000", Rate(100, 1000)), ("7", Rate(7, 70)), ("1:1", Rate(1, 1))]
)
def test_a_rate_is_lines_a_second_and_at_once(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1:0", "1:", ":1", "x", "1.5", "\u0661", "9" * 5000, "1:2:3"]
)
def test_other_rates_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="100:1000"):
        Rate.parse(text)


async def test_what_is_missing_is_told_at_intervals_and_at_the_end(clock: Clock) -> None:
    out = io.StringIO()
    report = configure(stream=out, rate=Rate.parse("1:1"))
    running = asyncio.create_task(report.run())
    await pass_time(1.0)
    for _ in range(3):
        structlog.get_logger().info("turn")
    await asyncio.sleep(REPORT_SECONDS)
    assert logged(out)[-1]["count"] == 2
    structlog.get_logger().info("turn")
    running.cancel()
    await asyncio.sleep(0)
    assert logged(out)[-1]["count"] == 1
    assert clock.now == 0.0


def test_what_cannot_be_written_is_counted_and_told_of_when_it_can() -> None:
    """A pipe that nobody reads from, then somebody does; a line that was torn does not spoil the next."""
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="ascii") as stream:
        report = configure(stream=stream)
        for number in range(5000):
            structlog.get_logger().info("turn", number=number, text="x" * 3000)
        taken = b""
        while len(part := os.read(read, 65536)) == 65536:
            taken += part
        report.tell()
        structlog.get_logger().info("the last")
        taken += part + os.read(read, 65536)
    os.close(read)
    lines = taken.decode().splitlines()
    torn = [line for line in lines if not line.endswith("}")]
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    assert len(torn) <= 1
    assert (whole[-2]["msg"], whole[-1]["msg"]) == ("log lines could not be written", "the last")
    assert whole[-2]["count"] == 5000 - (len(whole) - 2)


@pytest.mark.parametrize("broken", ["closed pipe", "full", "closed", "none"])
def test_a_log_that_cannot_be_written_is_no_error(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    target = os.open("/dev/full", os.O_WRONLY) if broken == "full" else write
    stream = os.fdopen(target, "w", encoding="ascii", buffering=1)
    if broken == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if broken == "none" else stream)
    report = configure()
    for _ in range(3):
        structlog.get_logger().error("gone \ud800")
        logging.getLogger("library").error("gone")
        divide()
    report.tell()
    monkeypatch.undo()
    if broken != "closed":
        stream.close()
    if broken == "full":
        os.close(write)


def test_characters_that_the_stream_cannot_write_are_escaped() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="ascii") as stream:
        configure(stream=stream)
        structlog.get_logger().info("größe \ud800")
        assert "größe \\\\ud800" in os.read(read, 65536).decode()
    os.close(read)


def test_what_nothing_catches_is_a_log_line() -> None:
    out = io.StringIO()
    configure(stream=out)
    error = RuntimeError("a\x1b[31m")
    sys.excepthook(RuntimeError, error, None)
    thread = threading.Thread(target=divide_for_real)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second, third = logged(out)
    assert (first["level"], second["level"]) == ("critical", "error")
    assert "a\\u001b[31m" in first["exception"]
    assert "ZeroDivisionError" in second["exception"]
    assert (third["logger"], third["level"]) == ("py.warnings", "warning")


def divide_for_real() -> None:
    _ = 1 / 0


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
