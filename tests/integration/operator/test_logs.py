"""A log that cannot be written is no reason to stop, or to end with an error."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.operator.site import Site, ask, said


def full(log: Path) -> None:
    """Let every write find the disk full."""
    log.symlink_to("/dev/full")


def gone(log: Path) -> int:
    """Let the log be a pipe, whose reader goes when the operator has started."""
    os.mkfifo(log)
    return os.open(log, os.O_RDONLY | os.O_NONBLOCK)


def stuck(log: Path) -> int:
    """Let the log be a pipe whose reader does not read, and which is full already."""
    reader = gone(log)
    writer = os.open(log, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.close(writer)
    return reader


@pytest.mark.parametrize("broken", [full, gone, stuck])
def test_a_log_that_cannot_be_written_stops_nothing(site: Site, broken: Callable[[Path], int | None]) -> None:
    home = site.home()
    home.mkdir()
    reader = broken(home / "operator.log")
    process = site.start("--zap-log-level=debug")
    if broken is gone:
        assert reader is not None
        os.close(reader)
    for number in range(3):
        site.create(f"server-{number}")
    for number in range(3):
        site.until_ready(f"server-{number}")
        site.delete(f"server-{number}")
    for number in range(3):
        site.until_gone(f"server-{number}")
    assert ask(process, "/healthz") == (200, "ok")
    process.stop()
    assert process.returncode == 0
    if broken is stuck:
        assert reader is not None
        os.close(reader)


def test_the_log_is_one_object_a_line_that_begins_with_time_level_and_message(site: Site) -> None:
    process = site.start("--log-rate=unlimited")
    site.create()
    site.until_ready()
    process.stop()
    lines = process.log.read_text().splitlines()
    assert len(lines) > 3
    assert all(list(json.loads(line))[:3] == ["ts", "level", "msg"] for line in lines)


def test_more_lines_than_the_rate_allows_are_counted(site: Site) -> None:
    process = site.start("--log-rate=1:2", "--zap-log-level=debug")
    names = [f"server-{number}" for number in range(8)]
    for name in names:
        site.create(name)
    for name in names:
        site.until_ready(name)
    process.stop()
    (line,) = said(process, "were left out")
    assert line["level"] == "warning"
    assert line["count"] >= 1
