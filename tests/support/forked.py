"""Operators as processes that are forked from one which has imported the operator already.

A start costs a second of CPU, most of it imports and AWS's models, and tests of the operator's work make a
hundred. Tests of the start itself, and of what a process loads, start the program.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcp_gateway_operator_demo.environment import OperatorProcess
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

_PRELOADED = "tests.support.preloaded"
_PR_SET_PDEATHSIG = 1
_CONTEXT = multiprocessing.get_context("forkserver")


class ForkedOperator(OperatorProcess):
    """`mcp-gateway-operator run`, all but its start."""

    @staticmethod
    def _made(arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> ServerProcess:
        return ForkedProgram(arguments, log=log, environ=environ)


class ForkedProgram(ServerProcess):
    """`mcp-gateway-operator` with these arguments, all but its start.

    The same from outside: a process of its own, in a session of its own, its output in a file.
    """

    def __init__(self, arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> None:
        super().__init__("operator", arguments, log=log, environ=environ)
        _CONTEXT.set_forkserver_preload([_PRELOADED])
        self._forked = _CONTEXT.Process(target=_become, args=(list(arguments), str(log), dict(environ)))

    def start(self) -> None:
        """Start the process; its log is there at once, whatever it is."""
        self.log.touch()
        self._forked.start()

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self._forked.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while it runs."""
        return self._forked.exitcode

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the process to end and tell whether it has."""
        self._forked.join(seconds)
        return self.returncode is not None

    def stop(self, grace: float) -> None:
        """Ask the process to end, and kill it when it is still there after `grace` seconds. Idempotent."""
        if self.returncode is None:
            self._forked.terminate()
            if not self.wait(grace):
                self._forked.kill()
                self._forked.join()


def run_forked(
    arguments: Sequence[str], *, log: Path, environ: Mapping[str, str], seconds: float = 60.0
) -> tuple[int, str]:
    """Run `mcp-gateway-operator` to its end; return the exit status and all that it wrote."""
    process = ForkedProgram(arguments, log=log, environ=environ)
    process.start()
    try:
        assert process.wait(seconds), f"not ended within {seconds:g} s: {log.read_text(encoding='utf-8')}"
    finally:
        process.stop(0.0)
    assert process.returncode is not None
    return process.returncode, log.read_text(encoding="utf-8")


def _become(arguments: list[str], log: str, environ: dict[str, str]) -> None:
    """Be `mcp-gateway-operator` with these arguments and nothing else in the environment.

    Where the kernel can, it kills this process when the one dies that it is forked from.
    """
    os.setsid()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["mcp-gateway-operator", *arguments]

    from mcp_gateway_operator.cli.main import main  # noqa: PLC0415  -- loads what only a process needs

    main()
