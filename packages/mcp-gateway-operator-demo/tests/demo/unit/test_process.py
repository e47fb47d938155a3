from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

SLEEP = "echo ready; exec sleep 600"


@pytest.fixture
def server(tmp_path: Path, script: Callable[[Path, str], Path]) -> Iterator[Callable[[str], ServerProcess]]:
    """Return a function that makes a server of a shell script, and stop what it made."""
    made: list[ServerProcess] = []

    def make(body: str) -> ServerProcess:
        program = script(tmp_path / f"server-{len(made)}", body)
        made.append(
            ServerProcess("server", [str(program)], log=tmp_path / "log", environ={"PATH": "/usr/bin:/bin"})
        )
        return made[-1]

    yield make
    for process in made:
        process.stop(grace=0)


def gone(pid: int, seconds: float = 10) -> bool:
    """Wait until the process has ended, and tell whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def test_a_server_runs_until_it_is_stopped(server: Callable[[str], ServerProcess]) -> None:
    """Stop with SIGTERM, and have nothing to do the second time."""
    process = server(SLEEP)
    process.stop(grace=1)
    process.start()
    assert not process.wait(0)
    process.stop(grace=10)
    process.stop(grace=10)
    assert process.returncode == -signal.SIGTERM
    assert process.pid is not None
    assert gone(process.pid)


def test_a_server_that_ignores_the_request_is_killed(
    server: Callable[[str], ServerProcess], tmp_path: Path
) -> None:
    """Never wait longer than the grace period."""
    os.mkfifo(tmp_path / "ready")
    os.mkfifo(tmp_path / "never")
    process = server(f"trap '' TERM; echo > {tmp_path / 'ready'}; read line < {tmp_path / 'never'}")
    process.start()
    (tmp_path / "ready").read_text()
    process.stop(grace=0.1)
    assert process.returncode == -signal.SIGKILL


def test_its_last_lines_can_be_read(server: Callable[[str], ServerProcess], tmp_path: Path) -> None:
    """Keep standard output and error together, for the message when it dies."""
    process = server("for i in 1 2 3 4; do echo line $i; done; echo no good >&2; exit 7")
    assert process.tail() == ""
    process.start()
    assert process.wait(10)
    assert process.returncode == 7
    assert process.tail(2) == "line 4\nno good"
    assert process.log == tmp_path / "log"


def test_a_program_that_cannot_be_executed_is_an_error(tmp_path: Path) -> None:
    """Name the program that is missing."""
    process = ServerProcess("server", [str(tmp_path / "absent")], log=tmp_path / "log")
    with pytest.raises(FileNotFoundError, match="absent"):
        process.start()
    assert process.pid is None


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Raise what the operating system said."""
    process = ServerProcess("server", ["/bin/true"], log=tmp_path / "absent" / "log")
    with pytest.raises(FileNotFoundError):
        process.start()
    assert process.wait(0)


def test_ctrl_c_in_the_terminal_does_not_reach_it(server: Callable[[str], ServerProcess]) -> None:
    """Run in a session and process group of its own."""
    process = server(SLEEP)
    process.start()
    assert process.pid is not None
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_it_outlives_the_thread_that_started_it(server: Callable[[str], ServerProcess]) -> None:
    """Survive the end of a worker thread: the kernel takes a thread's death for its parent's."""
    process = server(SLEEP)
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join(10)
    assert process.pid is not None
    assert not gone(process.pid, seconds=0.3)


def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """Leave nothing behind after SIGKILL."""
    parent = f"""
import sys, threading
from pathlib import Path
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess
server = ServerProcess("server", ["/bin/sleep", "600"], log=Path({str(tmp_path / "log")!r}))
server.start()
print(server.pid, flush=True)
threading.Event().wait()
"""
    argv = [sys.executable, "-c", parent]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  -- our own script
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert not gone(pid, seconds=0)
        process.kill()
        assert gone(pid)
