"""The command for a cluster to play with, around a cluster that pretends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner

from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.localcluster import __main__ as command


class Pretended:
    """A cluster that is up; when the command has looked after it once and waits again, a signal ends it."""

    kubeconfig = Path("admin.kubeconfig")

    def __init__(self, number: int) -> None:
        self.stopped = False
        self._number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True

    def check(self) -> None:
        """Find all well, and let the user end the command soon after."""
        threading.Timer(0.1, os.kill, (os.getpid(), self._number)).start()


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put back what the command does with the signals."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cluster_that_serves_is_ended_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cluster = Pretended(number)
    monkeypatch.setattr(command, "ensure_binaries", lambda **_: None)
    monkeypatch.setattr(LocalCluster, "start", lambda *_, **__: cluster)

    done = CliRunner().invoke(command.main, ["--directory", str(tmp_path / "cluster")])

    assert done.exit_code == 0
    assert cluster.stopped
