"""Processes come and go: restarts, orderly ends, a second one beside the first, a lease that is lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx2
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.environment import OperatorProcess
from tests.integration.operator.site import BRIEF_LEASE, NAMESPACE_GUARD, Site, ask, kill, logs, said
from tests.support.polling import until

AT_ONCE = 15.0
"""Seconds: idle machines take two; a lease that must run out first takes 60."""


def test_a_killed_process_is_replaced_at_once_and_writes_nothing_over_settled_objects(site: Site) -> None:
    first = site.start()
    for number in range(5):
        site.create(f"server-{number}")
    for number in range(5):
        site.until_ready(f"server-{number}")
    kill(first)
    with site.bill() as bill:
        began = time.monotonic()
        site.start()
        site.create("new")
        site.until_ready("new", AT_ONCE)
        took = time.monotonic() - began
        site.until_calls("ListGatewayTargets", 3)
    assert took < AT_ONCE
    assert bill.writes == 2, "those of the new object"
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.calls["GetGatewayTarget"] == 0


def test_a_killed_process_leaves_an_unrecorded_target_that_its_successor_takes_up(site: Site) -> None:
    """It dies while AWS creates, before the record is written: the marker proves whose target it is."""
    first = site.start()
    with site.bill() as bill:
        with site.frozen():
            site.create()
            until(site.targets)
            kill(first)
            assert site.target_id() == ""
            site.start()
            until(site.target_id, "the successor records what AWS still makes")
        site.until_ready()
    (target,) = site.targets()
    assert site.target_id() == target["targetId"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1}


def test_what_changed_while_no_operator_ran_is_made_good(site: Site) -> None:
    first = site.start()
    for name in ("edited", "deleted", "drifted"):
        site.create(name)
    for name in ("edited", "deleted", "drifted"):
        site.until_ready(name)
    drifted = site.target_id("drifted")
    kill(first)
    site.edit("edited", description="While you were out")
    site.delete("deleted")
    site.create("made")
    site.simulator.admin.edit_target(drifted, description="Somebody's")
    with site.bill() as bill:
        site.start()
        site.until_gone("deleted")
        for name in ("edited", "made"):
            site.until_ready(name)
        until(lambda: site.simulator.admin.target(drifted)["description"] != "Somebody's", "the repair")
        site.until_ready("drifted")
    assert bill.aws_writes == {
        "CreateGatewayTarget": 1,
        "UpdateGatewayTarget": 2,
        "DeleteGatewayTarget": 1,
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_cleanly_and_gives_the_lease_up(site: Site, number: signal.Signals) -> None:
    process = site.start()
    site.create()
    site.until_ready()
    assert _holder(site)
    began = time.monotonic()
    os.kill(process.pid, number)
    assert process.wait(AT_ONCE)
    assert time.monotonic() - began < 10, "with nothing in flight there is nothing to wait for"
    assert process.returncode == 0
    assert _holder(site) == ""
    assert [line["msg"] for line in logs(process)][-1] == "lease released"
    assert [line for line in logs(process) if line["level"] in {"warning", "error"}] == []


def test_sigterm_while_a_create_is_in_flight_loses_nothing(site: Site) -> None:
    """The call is let finish; the successor finds one target and records it."""
    process = site.start()
    site.simulator.admin.add_fault(operation="CreateGatewayTarget", kind="delay", delay=2.0)
    with site.bill() as bill:
        site.create()
        until(site.targets, "the request has reached AWS")
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(AT_ONCE)
        assert process.returncode == 0
        assert _holder(site) == ""
        assert said(process, "cut off") == []
        site.start()
        site.until_ready()
    (target,) = site.targets()
    assert site.target_id() == target["targetId"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.writes <= 3


def test_sigterm_while_aws_hangs_ends_within_the_grace_period(site: Site) -> None:
    process = site.start()
    site.simulator.admin.add_fault(operation="CreateGatewayTarget", kind="hang", commit=True, delay=60.0)
    site.create()
    until(site.targets, "AWS has the target, and does not answer")
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(40.0)
    assert time.monotonic() - began < 28, "Kubernetes kills after 30 s"
    assert process.returncode == 0
    assert _holder(site) == ""
    with site.bill() as bill:
        site.start()
        site.until_ready()
    assert bill.aws_writes == {}, "the marker tells the successor whose target it is"
    assert len(site.targets()) == 1


def test_a_second_signal_ends_at_once(site: Site) -> None:
    process = site.start()
    site.simulator.admin.add_fault(operation="CreateGatewayTarget", kind="hang", commit=True, delay=60.0)
    site.create()
    until(site.targets, "AWS has the target, and does not answer")
    os.kill(process.pid, signal.SIGTERM)
    until(lambda: said(process, "stopping"), "the first signal is taken")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(5.0)
    assert process.returncode == 130


def test_readiness_goes_first(site: Site) -> None:
    process = site.start()
    site.simulator.admin.add_fault(operation="CreateGatewayTarget", kind="hang", commit=True, delay=60.0)
    site.create()
    until(site.targets, "the request has reached AWS")
    os.kill(process.pid, signal.SIGTERM)
    until(lambda: ask(process, "/readyz")[0] != httpx2.codes.OK, "not ready any more", 3.0)
    assert "shutdown failed: stopping" in ask(process, "/readyz")[1]
    assert ask(process, "/healthz")[0] == httpx2.codes.OK
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(AT_ONCE)


def test_the_second_of_two_processes_waits_ready_and_takes_over_at_once(site: Site) -> None:
    first = site.start("--leader-elect")
    second = site.start("--leader-elect")
    site.create()
    site.until_ready()
    until(lambda: said(second, "waiting for the lease"), "the second one is a standby")
    assert _holder(site) == _identity(first)
    assert ask(second, "/readyz") == (200, "ok")
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(AT_ONCE)
    with site.bill() as bill:
        site.create("next")
        site.until_ready("next", AT_ONCE)
    assert _holder(site) == _identity(second)
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.writes == 2


def test_two_processes_without_leader_election_do_not_both_write(site: Site) -> None:
    """A rolling update runs both for a while: the Lease guards even then."""
    first, second = site.start("--leader-elect=false"), site.start("--leader-elect=false")
    with site.bill() as bill:
        for number in range(4):
            site.create(f"server-{number}")
        for number in range(4):
            site.until_ready(f"server-{number}")
    assert bill.aws_writes == {"CreateGatewayTarget": 4}
    assert bill.writes == 8
    assert first.returncode is None
    assert second.returncode is None


SHORT = (
    "--leader-elect",
    "--leader-elect-lease-duration=15s",
    "--leader-elect-renew-deadline=10s",
    "--leader-elect-retry-period=2s",
)
"""What every user of controller-runtime types: its own defaults."""


def test_a_killed_leader_of_another_host_is_succeeded_when_its_lease_has_run_out(site: Site) -> None:
    """Its lock file is not seen there and proves nothing."""
    times = ("--leader-elect", *BRIEF_LEASE)
    first = site.start(*times)
    second = site.start(*times, environment={"XDG_RUNTIME_DIR": str(_elsewhere(site))})
    site.create()
    site.until_ready()
    kill(first)
    killed = time.monotonic()
    with site.bill() as bill:
        site.create("next")
        until(lambda: len(site.targets()) == 2, "the second one writes", 20)
    assert time.monotonic() - killed > 3, "nothing proves that the first one is dead"
    site.until_ready("next")
    assert _holder(site) == _identity(second)
    assert bill.aws_writes == {"CreateGatewayTarget": 1}


def test_with_the_times_of_controller_runtime_it_writes_and_a_killed_leader_is_succeeded(site: Site) -> None:
    first = site.start(*SHORT)
    second = site.start(*SHORT)
    until(lambda: said(second, "waiting for the lease"), "the second one is a standby")
    site.create("first")
    site.until_ready("first")
    assert ask(first, "/readyz") == (200, "ok")
    assert ask(second, "/readyz") == (200, "ok")
    assert "[+]fence ok" in ask(first, "/readyz?verbose")[1]
    kill(first)
    killed = time.monotonic()
    until(lambda: _holder(site) == _identity(second), "the lock file proves the death", 5.0)
    assert time.monotonic() - killed < 5
    site.create()
    site.until_ready()


def test_a_successor_writes_within_a_retry_period_of_the_last_call_after_sigterm(site: Site) -> None:
    """The lease is kept until the call has ended."""
    first = site.start(*SHORT)
    second = site.start(*SHORT, environment={"XDG_RUNTIME_DIR": str(_elsewhere(site))})
    site.simulator.admin.add_fault(operation="CreateGatewayTarget", kind="delay", delay=2.0)
    site.create()
    until(site.targets, "the request has reached AWS")
    os.kill(first.pid, signal.SIGTERM)
    until(lambda: _holder(site) == "", "the first gives the lease up, but not before the call's end", 8.0)
    free = time.monotonic()
    until(lambda: _holder(site) == _identity(second), "the second leads", 2.5)
    assert time.monotonic() - free < 2.5
    site.until_ready()
    assert len(site.targets()) == 1


def test_a_lost_lease_ends_the_process_before_it_writes_again(site: Site) -> None:
    process = site.start("--leader-elect-retry-period=1s")
    site.create()
    site.until_ready()
    with site.bill() as bill:
        site.kube.edit_lease(site.namespace, holderIdentity="somebody-else")
        assert process.wait(AT_ONCE)
        site.edit(description="Too late")
    assert process.returncode == 1
    (line,) = said(process, "somebody-else")
    assert line["level"] == "error"
    assert bill.aws_writes == {}
    assert bill.writes == 0
    assert _holder(site) == "somebody-else", "what is not ours is not released"


def test_a_stopped_process_that_wakes_up_after_its_lease_ran_out_writes_nothing(site: Site) -> None:
    """A zombie: suspended for longer than the lease, while another one went on."""
    times = (
        "--leader-elect-lease-duration=20s",
        "--leader-elect-renew-deadline=3s",
        "--leader-elect-retry-period=1s",
    )
    first = site.start("--leader-elect", *times)
    site.create()
    site.until_ready()
    os.kill(first.pid, signal.SIGSTOP)
    try:
        for name in (names.LEASE_NAME, NAMESPACE_GUARD):
            site.kube.edit_lease(site.namespace, name, holderIdentity="")
        second = site.start("--leader-elect", *times)
        until(lambda: _holder(site) == _identity(second), "the second one leads")
        site.edit(description="By the second")
        site.until_ready()
    finally:
        with site.bill() as bill:
            os.kill(first.pid, signal.SIGCONT)
            ended = first.wait(AT_ONCE)
    assert ended
    assert first.returncode == 1
    assert bill.aws_writes == {}
    assert bill.writes == 0


def test_a_pod_goes_on_under_its_name(site: Site) -> None:
    """A restarted container has the pod's name, and the lease of that name is its own."""
    pod = {"POD_NAME": "operator-7d9f-x2k4p", "POD_NAMESPACE": site.namespace}
    first = site.start(environment=pod)
    until(lambda: _holder(site) == "operator-7d9f-x2k4p", "it leads under the pod's name")
    kill(first)
    second = site.start(environment={**pod, "XDG_RUNTIME_DIR": str(_elsewhere(site))})
    site.create()
    site.until_ready(seconds=AT_ONCE)
    assert _identity(second) == "operator-7d9f-x2k4p"


def _elsewhere(site: Site) -> Path:
    path = site.directory / "another-container"
    path.mkdir()
    return path


def _holder(site: Site) -> str:
    lease = site.kube.lease(site.namespace)
    return "" if lease is None else str(lease["spec"].get("holderIdentity") or "")


def _identity(process: OperatorProcess) -> str:
    line = until(
        lambda: next((line for line in logs(process) if "identity" in line and "lease" in line), None),
        "it says who it is",
    )
    return str(line["identity"])
