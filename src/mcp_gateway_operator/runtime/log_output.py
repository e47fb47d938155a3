"""Where log lines go: what cannot be written is counted and told of later, and holds nothing up.

A full disk, a pipe whose reader is gone or has stopped reading, a closed descriptor: a log that nobody reads
is a nuisance; an operator that waits for it, or ends, is an outage.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

PIECE: Final = 4096
"""Bytes that a pipe takes without making the writer wait, when it takes any (POSIX, PIPE_BUF on Linux)."""
PATIENCE_MILLISECONDS: Final = 50
"""How long is waited for a reader that lags, once: until it reads again, nothing waits for it any more."""
REPORT_SECONDS: Final = 10.0
"""Between two lines that say how many were left out."""
_RATE: Final = re.compile(r"([1-9][0-9]{0,6})(?::([1-9][0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class Rate:
    """How many lines may be logged.

    Attributes:
        lines: a second, over time.
        burst: at once.
    """

    lines: float
    burst: float

    @classmethod
    def parse(cls, text: str) -> Rate | None:
        """Return what "100:1000" (a second, at once) or "100" (ten times that at once) says.

        "unlimited" is None.

        Raises:
            ValueError: the text is none of these.
        """
        if text == "unlimited":
            return None
        numbers = _RATE.fullmatch(text)
        if numbers is None:
            raise ValueError(
                f"{text!r} is not a rate of log lines: write lines a second and lines at once, such as "
                '"100:1000", or "unlimited".'
            )
        lines = int(numbers[1])
        return cls(lines, int(numbers[2] or 10 * lines))


class Allowance:
    """Lets lines through within a rate; warnings and errors have one of their own. Callable from any thread.

    Attributes:
        left_out: lines that were not let through, since they were last told of.
    """

    def __init__(self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        burst = rate.burst if rate else 0.0
        self._tokens = {False: (burst, clock()), True: (burst, clock())}
        self.left_out = 0

    def take(self, *, serious: bool) -> bool:
        """Tell whether one more line may be logged, and count it."""
        if self._rate is None:
            return True
        with self._lock:
            tokens, since = self._tokens[serious]
            now = self._clock()
            tokens = min(self._rate.burst, tokens + (now - since) * self._rate.lines)
            allowed = tokens >= 1.0
            self._tokens[serious] = (tokens - allowed, now)
            self.left_out += not allowed
            return allowed

    def take_count(self) -> int:
        """Return how many lines were left out since the last time."""
        with self._lock:
            count, self.left_out = self.left_out, 0
            return count

    def put_back(self, count: int) -> None:
        """Take back a number that could not be told."""
        with self._lock:
            self.left_out += count


class LogOutput:
    """A text stream that never raises and hardly waits. Callable from any thread.

    Args:
        stream: where to; None where the process has none. One of the system's is written to directly: what
            Python keeps for a stream that cannot be written makes its end one with an error.

    Attributes:
        lost: lines that could not be written, since they were last told of.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._torn = self._stuck = False
        self.lost = 0
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._descriptor = stream.fileno()

    def isatty(self) -> bool:
        """Whether people read it."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def write(self, line: str) -> int:
        """Write a line, or count it as lost; also one of which only a part could be written."""
        with self._lock:
            try:
                self._write(line)
            except (OSError, ValueError):
                self.lost += 1
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take_count(self) -> int:
        """Return how many lines were lost since the last time."""
        with self._lock:
            count, self.lost = self.lost, 0
            return count

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        if self._descriptor is None:
            self._stream.write(line)
            return
        rest = memoryview((b"\n" if self._torn else b"") + line.encode("utf-8", "backslashreplace"))
        while rest:
            self._wait(self._descriptor)
            written = os.write(self._descriptor, rest[:PIECE])
            self._torn, rest = written < len(rest), rest[written:]

    def _wait(self, descriptor: int) -> None:
        """Wait a moment until a write goes through without waiting.

        Raises:
            BlockingIOError: it does not.
        """
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        self._stuck = not poll.poll(0 if self._stuck else PATIENCE_MILLISECONDS)
        if self._stuck:
            raise BlockingIOError
