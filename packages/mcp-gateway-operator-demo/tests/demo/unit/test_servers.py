from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import servers
from mcp_gateway_operator_demo.localcluster.errors import ClusterStartError
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess


def test_ports_are_free_and_not_for_outgoing_connections() -> None:
    """Stay below what the system gives to clients, so that a restart finds the port free."""
    port = servers.free_port()
    assert 20_000 <= port < 32_000
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_taken_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try another port, and give up with a sentence when there is none."""
    with socket.socket() as taken, socket.socket() as free:
        for holder in (taken, free):
            holder.bind(("127.0.0.1", 0))
        taken.listen()
        busy, open_ = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        draws = iter([busy, busy, open_])
        monkeypatch.setattr("secrets.choice", lambda _ports: next(draws))
        assert servers.free_port() == open_
        monkeypatch.setattr("secrets.choice", lambda _ports: busy)
        with pytest.raises(ClusterStartError, match="No free TCP port"):
            servers.free_port()


class Candidates:
    """Makes one server after the other, each from the next script."""

    def __init__(self, tmp_path: Path, script: Callable[[Path, str], Path], *bodies: str) -> None:
        self._programs = iter([script(tmp_path / f"s{n}", body) for n, body in enumerate(bodies)])
        self._log = tmp_path / "log"
        self.made: list[ServerProcess] = []

    def make(self) -> ServerProcess:
        """Return the next server."""
        self.made.append(ServerProcess("etcd", [str(next(self._programs))], log=self._log))
        return self.made[-1]

    def ready(self) -> bool:
        """Tell whether the latest server has said so."""
        return "serving" in self.made[-1].tail(1)


def test_a_port_lost_to_another_process_is_replaced(
    tmp_path: Path, script: Callable[[Path, str], Path]
) -> None:
    """Start again on other ports when somebody was faster."""
    taken = "echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 1"
    candidates = Candidates(tmp_path, script, taken, taken, "echo serving; exec sleep 600")
    server = servers.start_on_free_ports(candidates.make, candidates.ready, timeout=30)
    try:
        assert server is candidates.made[2]
        servers.check(server)
    finally:
        server.stop(grace=0)
    with pytest.raises(ClusterStartError, match="status -"):
        servers.check(server)


def test_ports_are_not_tried_for_ever(tmp_path: Path, script: Callable[[Path, str], Path]) -> None:
    """Report the third failure."""
    taken = "echo 'bind: address already in use'; exit 1"
    candidates = Candidates(tmp_path, script, *[taken] * 4)
    with pytest.raises(ClusterStartError, match="already in use"):
        servers.start_on_free_ports(candidates.make, candidates.ready, timeout=30)
    assert len(candidates.made) == 3


def test_a_server_that_dies_is_reported_with_its_last_words(
    tmp_path: Path, script: Callable[[Path, str], Path]
) -> None:
    """Do not try again what cannot work, and quote the log."""
    candidates = Candidates(tmp_path, script, "echo 'panic: no space left on device'; exit 2")
    with pytest.raises(ClusterStartError, match=r"etcd ended with status 2.*\n.*no space left"):
        servers.start_on_free_ports(candidates.make, candidates.ready, timeout=30)


def test_a_server_that_hangs_is_reported_and_ended(
    tmp_path: Path, script: Callable[[Path, str], Path]
) -> None:
    """Give up after the timeout and leave no process."""
    candidates = Candidates(tmp_path, script, "echo starting; exec sleep 600")
    with pytest.raises(ClusterStartError, match=r"etcd was not ready after 0 s"):
        servers.start_on_free_ports(candidates.make, candidates.ready, timeout=0.2)
    assert candidates.made[0].wait(0)


def test_a_server_without_a_log_directory_is_a_start_error(tmp_path: Path) -> None:
    """Turn the operating system's error into ours."""
    server = ServerProcess("etcd", ["/bin/true"], log=tmp_path / "absent" / "log")
    with pytest.raises(ClusterStartError, match="cannot be started"):
        servers.start(server, lambda: True, timeout=1)


def test_users_etcd_settings_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on loopback only, whatever the user's environment says to a real etcd."""
    monkeypatch.setenv("ETCD_LISTEN_CLIENT_URLS", "http://0.0.0.0:2379")
    (tmp_path / "etcd").write_text('#!/bin/sh\necho "$@"; echo "env: $ETCD_LISTEN_CLIENT_URLS."')
    (tmp_path / "etcd").chmod(0o755)
    server = servers.etcd(tmp_path / "etcd", directory=tmp_path, client_port=1, peer_port=2)
    server.start()
    assert server.wait(10)
    assert "env: ." in server.tail()
    assert "0.0.0.0" not in server.tail()
    assert "--listen-client-urls=http://127.0.0.1:1" in server.tail()
