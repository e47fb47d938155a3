"""The first answers of AWS are read in several threads at once."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib, sys, threading
from mcp_gateway_operator.agentcore.aws import parse_answer

THREADS = 8
sys.setswitchinterval(1e-6)
item = {"targetId": "ABCDEFGHIJ", "name": "weather", "status": "READY",
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}
gateway = {"gatewayId": "tools-abcdefghij", "status": "READY"}


def answered(start):
    start.wait()
    parse_answer._checked({"items": [item]}, parse_answer._Page)
    parse_answer._checked({"items": [gateway]}, parse_answer._Gateways)


for _ in range(200):
    importlib.reload(parse_answer)
    start = threading.Barrier(THREADS)
    threads = [threading.Thread(target=answered, args=[start]) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_answers_that_are_the_first_in_several_threads_do_not_end_the_process() -> None:
    done = subprocess.run(  # noqa: S603  -- our own program
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
