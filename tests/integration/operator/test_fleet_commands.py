"""The fleet's commands as processes of their own, beside an operator on real parts."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

from mcp_gateway_operator_demo.environment import NOT_INHERITED
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.site import GATEWAY, HOME, PREFIX, Site
from tests.support.forked import run_forked
from tests.support.polling import until

_numbers = itertools.count(1)


class Mcps:
    """Somebody's command line."""

    def __init__(self, site: Site, kubeconfig: Path | None = None) -> None:
        self._site = site
        self._kubeconfig = kubeconfig or site.cluster.kubeconfig

    def __call__(self, *arguments: str, exits: int = 0) -> str:
        """Run a command; return what it printed, both streams."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)},
            "KUBECONFIG": str(self._kubeconfig),
            "AWS_ENDPOINT_URL": self._site.simulator.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        log = self._site.directory / f"mcps-{next(_numbers)}.log"
        status, said = run_forked(arguments, log=log, environ=environment)
        assert status == exits, said
        return said

    def json(self, *arguments: str, exits: int = 0) -> Any:
        """Run a command with `-o json` and return its answer."""
        return json.loads(self(*arguments, "-n", self._site.namespace, "-o", "json", exits=exits))


def _status(site: Site, name: str) -> Any:
    found = site.get(name)
    assert found is not None
    return found["status"]


def _changed(site: Site, name: str) -> Any:
    found = site.get(name)
    assert found is not None
    kept = {key: found[key] for key in ("apiVersion", "kind", "spec")}
    return {**kept, "metadata": {"name": name}, "spec": {**found["spec"], "description": "new"}}


def test_an_object_is_paused_resumed_and_synchronized(running: Site) -> None:
    mcps, here = Mcps(running), ("-n", running.namespace)
    running.create("orders")
    assert mcps("wait", "orders", *here) == f"{running.namespace}/orders is Ready.\n"
    assert mcps.json("status")["ready"] == 1

    mcps("pause", "orders", *here)
    running.until_paused("orders")
    (paused,) = mcps.json("status", "--reason", "Paused")["objects"]
    assert (paused["name"], paused["ready"]) == ("orders", True)

    running.simulator.admin.edit_target(running.target_id("orders"), description="changed outside")
    with running.bill() as bill:
        mcps("resume", *here, "--reason", "Paused")
        mcps("wait", "orders", *here)
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}

    with running.bill() as bill:
        mcps("sync", "orders", *here)
        until(lambda: _status(running, "orders").get("lastSyncRequest"), "the request acknowledged")
        mcps("wait", "orders", *here)
    assert bill.aws_writes == {"SynchronizeGatewayTargets": 1}

    running.delete("orders")
    mcps("wait", "orders", "--for", "deleted", *here)
    assert "No MCPServer found" in mcps("status", *here)


def test_a_plan_on_real_parts_writes_nothing(running: Site) -> None:
    mcps, here = Mcps(running), ("-n", running.namespace)
    running.create("orders")
    running.until_ready("orders")
    with running.bill() as bill:
        assert mcps("plan", *here, "--gateway-id", GATEWAY) == "Nothing to do; 1 unchanged.\n"
        file = running.directory / "orders.yaml"
        file.write_text(json.dumps(_changed(running, "orders")), encoding="utf-8")
        said = mcps("plan", "-f", str(file), *here, "--gateway-id", GATEWAY, exits=2)
    assert '    description: absent -> "new"' in said.splitlines()
    assert bill.aws_writes == {}
    assert bill.writes == 0


def test_a_dry_run_needs_the_rights_of_a_reader_alone(
    site: Site, cluster: LocalCluster, tmp_path: Path
) -> None:
    site.start()
    site.create("kept")
    site.until_ready("kept")
    site.create("taken", targetName="kept")
    site.until_reason("NameConflict", "taken")
    cluster.kubectl("create", "serviceaccount", "dry", "-n", HOME)
    for role in ("mcpserver-viewer-role", "mcpgateway-viewer-role"):
        bound = (f"dry-{role}", f"--clusterrole={PREFIX}{role}", f"--serviceaccount={HOME}:dry")
        cluster.kubectl("create", "clusterrolebinding", *bound)
    reader = cluster.service_account_kubeconfig(HOME, "dry", path=tmp_path / "dry.kubeconfig")
    leases = cluster.kubectl("get", "leases", "-n", site.namespace, "-o", "name").stdout
    with site.bill() as bill:
        said = Mcps(site, reader)(
            "run",
            "--dry-run",
            "--zap-encoder=json",
            f"--watch-namespaces={site.namespace}",
            f"--gateway-id={GATEWAY}",
            "--owner-id=another",
        )
    log = [json.loads(line) for line in said.splitlines()]
    assert log[-1]["msg"] == "dry run: nothing was written"
    assert log[-1]["objects"] == 2
    assert bill.aws_writes == {}
    assert bill.writes == 0
    assert cluster.kubectl("get", "leases", "-n", site.namespace, "-o", "name").stdout == leases
    site.delete("taken")
    site.delete("kept")
