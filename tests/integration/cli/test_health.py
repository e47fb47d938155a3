"""/healthz and /readyz, as the kubelet asks for them."""

from __future__ import annotations

import os
import signal

import httpx2
import pytest

from tests.integration.operator.site import Site, ask
from tests.support.polling import until


def test_an_operator_at_work_is_alive_and_ready(site: Site) -> None:
    process = site.start()
    assert ask(process, "/healthz") == (200, "ok")
    assert ask(process, "/readyz") == (200, "ok")
    code, body = ask(process, "/readyz?verbose=true")
    assert code == 200
    for check in ("informers", "mcpservers", "shutdown"):
        assert f"[+]{check} ok" in body
        assert ask(process, f"/readyz/{check}") == (200, "ok")
    assert ask(process, "/readyz/other")[0] == 404
    assert ask(process, "/")[0] == 404


def test_the_probes_can_be_turned_off(site: Site) -> None:
    process = site.start("--health-probe-bind-address=0", ready=False)
    site.create()
    site.until_ready()
    with pytest.raises(httpx2.ConnectError):
        ask(process, "/healthz")


def test_a_hanging_process_does_not_answer(site: Site) -> None:
    """The kubelet's probe then times out, and the container is restarted."""
    process = site.start()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(httpx2.TimeoutException):
            httpx2.get(f"{process.health}/healthz", timeout=1.0)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    until(lambda: ask(process, "/healthz") == (200, "ok"))
