"""The demo as its user runs it: on a terminal and in a pipe, to the end and interrupted."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentcore_simulator import AdminClient

DEMO = [sys.executable, "-m", "mcp_gateway_operator", "demo"]
LIST_GATEWAYS = "import boto3; print(boto3.client('bedrock-agentcore-control').list_gateways()['items'])"
SECONDS = 300.0
"""For a whole demo, which takes half a minute on an idle machine; some are ten times as slow."""
WHOLE = pytest.mark.timeout(2 * SECONDS)
HIDDEN_CURSOR = "\x1b[?25l"
"""What a terminal is sent while a step is under way."""
STEP_WITH_TARGETS = re.compile(rb"targets made.*\x1b\[\?25l", re.DOTALL)
"""What a terminal has been sent once such a step has begun with objects and targets there."""
MOMENTS = {
    "before anything": ("Setting up", signal.SIGINT, 1),
    "while the operator starts, and again and again": ("is simulated at", signal.SIGTERM, 5),
}
"""When it is told to end: the words it has said, what it is sent, and how many times."""


def until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Look until `holds` returns true; the test fails when it never does."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < end, f"not seen within {seconds:g} s: {what}"
        pause.wait(0.05)


class Running:
    """A demo in a session of its own, whose output is read while it runs."""

    def __init__(self, scratch: Path, *flags: str) -> None:
        self.output = ""
        self._process = subprocess.Popen(  # noqa: S603  -- our own program
            [*DEMO, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            # A width of the terminal that began the tests is not this pipe's.
            env={**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, "TMPDIR": str(scratch)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line

    def until(self, words: str, seconds: float = 100.0) -> None:
        """Wait until the output has these words."""
        until(lambda: words in self.output or self.ended, f"the demo says {words!r}", seconds)
        assert words in self.output, self.output

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal to the whole foreground process group, as the terminal does at Ctrl-C."""
        os.killpg(self._process.pid, number)

    def wait(self, seconds: float = SECONDS) -> int:
        """Wait for the end; return the exit status."""
        status = self._process.wait(seconds)
        self._reader.join()
        return status

    def kill(self) -> None:
        """End it in any case."""
        if not self.ended:
            self._process.kill()
        self.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def demo(scratch: Path, *flags: str) -> Iterator[Running]:
    """Run a demo; at the end nothing of it may be left, neither processes nor files."""
    running = Running(scratch, *flags)
    try:
        yield running
    finally:
        running.kill()
    _nothing_is_left(scratch)


def _nothing_is_left(scratch: Path) -> None:
    until(lambda: not _processes(scratch), f"nothing is left running: {_processes(scratch)}", 20.0)
    assert list(scratch.glob("mcps-demo-*")) == []


def _processes(scratch: Path) -> list[str]:
    """Return the command lines of the processes that work in a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(scratch) in line:
            found.append(line)
    return found


@WHOLE
def test_the_whole_demo_on_a_terminal(tmp_path: Path) -> None:
    """Eighty columns: no line is wrapped, colours are used, and in the end the cursor is visible."""
    status, text = _on_terminal([*DEMO], tmp_path, columns=80)
    assert status == 0, text
    plain = _without_controls(text)
    assert plain.count("✓") == 11
    assert "Traceback" not in plain
    assert "\x1b[" in text
    assert _cursor_is_visible(text)
    titles = [line for line in plain.splitlines() if "NAME" in line and "ENDPOINT" in line]
    assert titles
    assert all("READY" in line and len(line.rstrip()) <= 80 for line in titles)
    _nothing_is_left(tmp_path)


def test_ctrl_c_on_a_terminal_leaves_nothing_and_shows_the_cursor_again(tmp_path: Path) -> None:
    """In the middle of a step, with objects and targets to leave behind."""
    status, text = _on_terminal([*DEMO], tmp_path, columns=80, interrupt_at=STEP_WITH_TARGETS)
    assert status == 130, text
    assert _cursor_is_visible(text)
    plain = _without_controls(text)
    assert "nothing is left running" in plain
    assert "Traceback" not in plain
    _nothing_is_left(tmp_path)


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_and_sigterm_leave_nothing_at_any_moment(tmp_path: Path, moment: str) -> None:
    words, number, times = MOMENTS[moment]
    pause = threading.Event()
    with demo(tmp_path) as running:
        running.until(words)
        for _ in range(times):
            if not running.ended:
                running.interrupt(number)
            pause.wait(0.1)
        # A shell calls both 130. CPython ends by the signal itself where that came in an exec() of text, as
        # dataclasses do it while a module is imported (unhandled_keyboard_interrupt in Modules/main.c).
        assert running.wait(30.0) in {130, -signal.SIGINT}, running.output
    assert "nothing is left running" in running.output
    assert "Traceback" not in running.output


@WHOLE
def test_the_whole_demo_in_a_pipe_and_kept_until_ctrl_c(tmp_path: Path) -> None:
    """What it prints can be pasted: the kubeconfig works, and boto3 needs no more to find AWS."""
    with demo(tmp_path, "--keep") as running:
        running.until("Ctrl-C stops and removes all of it", SECONDS)
        told, found, kept = running.output.partition("Every step was verified")
        assert found
        assert told.count("✓") == 11
        found_kubectl = re.search(r"kubectl is (\S+)", told)
        assert found_kubectl is not None
        assert Path(found_kubectl[1]).is_file()
        for command in (
            "mcps status -n demo",
            "mcps owner ",
            "mcps status -A --gateway tools",
            "mcps why search -n team-b",
        ):
            assert f"  $ {command}" in told
        assert "222222222222:eu-west-1/teams-gateway-abcdefghij" in told
        assert " 1 sts:AssumeRole" in kept
        assert "MCPGateway tools does not permit this: it names no namespace like team-b." in told
        assert "Whoever may change the MCPGateway can permit it in its spec.allow.\n" in told, (
            "nothing is cut"
        )
        assert "…" not in told
        assert "\x1b" not in running.output, "no colours or cursor movements in a log"
        events = [line for line in running.output.splitlines() if "DriftRepaired" in line]
        assert len(events) == 1, "a log is told of an Event once"
        assert "KEEP=1" in kept
        _use_what_was_printed(running.output, tmp_path)
        running.interrupt()
        assert running.wait(30.0) == 0, running.output


def _use_what_was_printed(text: str, home: Path) -> None:
    kubeconfig = _exported(text, "KUBECONFIG")
    assert Path(kubeconfig).is_file()
    endpoint = _exported(text, "AWS_ENDPOINT_URL")
    assert AdminClient.over_http(endpoint).counts()["operations"]["CreateGatewayTarget"]
    exports = dict(re.findall(r"(AWS_\w+)=(\S+)", text))
    done = subprocess.run(  # noqa: S603  -- our own program
        [sys.executable, "-c", LIST_GATEWAYS],
        env={**exports, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "demo-gateway-abcdefghij" in done.stdout, done.stderr


def _exported(text: str, name: str) -> str:
    found = re.search(rf"export {name}=(\S+)", text)
    assert found is not None, text
    return found[1]


def _without_controls(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def _cursor_is_visible(text: str) -> bool:
    return text.rfind("\x1b[?25h") > text.rfind(HIDDEN_CURSOR)


def _on_terminal(
    argv: list[str], scratch: Path, *, columns: int, interrupt_at: re.Pattern[bytes] | None = None
) -> tuple[int, str]:
    """Run a program on a pseudo-terminal, and type Ctrl-C when it has said `interrupt_at`.

    Returns:
        its exit status and all that it wrote.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(COLUMNS=str(columns), LINES="40", TERM="xterm-256color", TMPDIR=str(scratch))
        os.execv(argv[0], argv)  # noqa: S606  -- our own program
    text, typed = bytearray(), interrupt_at is None
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            text += os.read(terminal, 65536)
        except OSError:
            break  # the other side is closed
        if not typed and interrupt_at is not None and interrupt_at.search(text):
            typed = bool(os.write(terminal, b"\x03"))
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), text.decode(errors="replace")
