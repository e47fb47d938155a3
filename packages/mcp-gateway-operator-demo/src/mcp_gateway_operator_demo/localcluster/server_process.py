"""A server process that lives exactly as long as we want: never longer than this process, never shorter."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.program_cache import is_program

# Asks the kernel to kill the server when its parent goes, then becomes the server. A program and not a
# `preexec_fn`: Python code between fork and exec can deadlock in a process with threads. The parent may have
# died before the request took effect, hence the look at who the parent is now.
_PR_SET_PDEATHSIG = 1
_LAUNCHER = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)}, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent died")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerProcess:
    """A child in a session of its own (Ctrl-C in the terminal does not reach it) with its output in a file.

    On Linux the kernel kills it when this process dies in whatever way; elsewhere an orderly end stops it.

    Args:
        name: for messages.
        argv: the program's absolute path and its arguments.
        log: the file that standard output and error are appended to.
        environ: the environment; None means this process's own.
    """

    def __init__(
        self, name: str, argv: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._environ = None if environ is None else dict(environ)
        self._launched = threading.Event()
        self._exited = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the program is not there, or the log cannot be written.
        """
        if not is_program(Path(self._argv[0])):
            raise FileNotFoundError(errno.ENOENT, "There is no such program", self._argv[0])
        # The kernel counts the death of the *thread* that started a child as its parent's death, so the child
        # gets a thread that lives as long as it does, whatever thread calls this method.
        threading.Thread(target=self._run, name=f"{self.name}-parent", daemon=True).start()
        self._launched.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return None if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while it runs."""
        return None if self._process is None else self._process.returncode

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the process to end and tell whether it has."""
        return self._exited.wait(seconds)

    def stop(self, grace: float) -> None:
        """Ask the process to end, and kill it when it is still there after `grace` seconds. Idempotent."""
        process = self._process
        if process is None or self._exited.is_set():
            return
        process.terminate()
        if not self._exited.wait(grace):
            process.kill()
            self._exited.wait()

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as file:
                return "".join(deque(file, lines)).rstrip()
        except FileNotFoundError:
            return ""

    def _run(self) -> None:
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603  -- a fixed command line
                    _with_launcher(self._argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=self._environ,
                )
        except OSError as error:
            self._failure = error
            self._exited.set()
            return
        finally:
            self._launched.set()
        self._process.wait()
        self._exited.set()


def _with_launcher(argv: list[str]) -> list[str]:
    if not sys.platform.startswith("linux"):
        return argv
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv]
