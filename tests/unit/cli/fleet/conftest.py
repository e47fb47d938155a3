"""Calls the fleet's commands against an API server in memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from agentcore_simulator import AdminClient, Engine
from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli import dry_run, main
from mcp_gateway_operator.cli.fleet import examine_quotas, examine_surroundings, look_ahead, reach
from mcp_gateway_operator.cli.fleet.debug import PODS
from mcp_gateway_operator.cli.fleet.reads import AsCaller, Paced
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime import kubeconfig
from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType
from tests.support.accounts import OWN, REGION, Cloud
from tests.support.classes import arn
from tests.support.memory_cluster import Faults, MemoryApiServer
from tests.support.real_logs import logging_put_back
from tests.support.world import GATEWAY, OTHER_GATEWAY, manifest_spec


@dataclass
class Desk:
    """A cluster, and the command line of somebody who may do anything in it unless `faults` refuses."""

    api: MemoryApiServer
    faults: Faults | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, exits: int = 0) -> Result:
        """Run a command and return what it came to."""
        self.api.log.clear()
        with logging_put_back():
            result = CliRunner().invoke(
                main.cli, list(arguments), prog_name="mcp-gateway-operator", env=self.env
            )
        assert result.exit_code == exits, (result.exit_code, result.output, result.exception)
        return result

    def json(self, *arguments: str, exits: int = 0) -> Any:
        """Run a command with `-o json` and return its answer."""
        return msgspec.json.decode(self(*arguments, "-o", "json", exits=exits).stdout)

    def put(
        self,
        name: str,
        *,
        namespace: str = "team-a",
        reason: str = "",
        age: float = 0.0,
        message: str = "It is so.",
        metadata: dict[str, Any] | None = None,
        status: dict[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Store an object whose Ready says `reason` since `age` seconds; without one, nobody saw it yet."""
        store = self.api.store
        body = {"metadata": {"name": name, **(metadata or {})}, "spec": {**manifest_spec(), **spec}}
        made = msgspec.json.decode(store.create(MCPSERVERS, namespace, body))
        since = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="seconds")
        whole: dict[str, Any] = {**(status or {})}
        if reason:
            ready = "True" if reason == names.Reason.READY else "False"
            whole["conditions"] = [
                {
                    "type": "Ready",
                    "status": ready,
                    "reason": reason,
                    "message": message,
                    "observedGeneration": 1,
                    "lastTransitionTime": since,
                },
                *whole.get("conditions", []),
            ]
            whole |= {"targetId": f"T{name}"[:10], "recordedFor": made["metadata"]["uid"]}
            gateway_id = whole.get("gatewayId", GATEWAY)
            whole |= {"gatewayId": gateway_id, "gatewayArn": whole.get("gatewayArn", arn(gateway_id))}
        store.patch(
            MCPSERVERS, namespace, name, {"status": whole}, kind=PatchType.MERGE, subresource="status"
        )

    def annotations(self, name: str, namespace: str = "team-a") -> dict[str, str]:
        """Return an object's annotations."""
        found = msgspec.json.decode(self.api.store.get(MCPSERVERS, namespace, name))
        kept: dict[str, str] = found["metadata"].get("annotations", {})
        return kept


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A cluster with the namespaces team-a and team-b, empty; commands print as in a pipe, uncut."""
    monkeypatch.delenv("COLUMNS", raising=False)
    api = MemoryApiServer()
    api.serve(MCPSERVERS, names.KIND)
    api.serve(PODS, "Pod")
    for namespace in ("team-a", "team-b"):
        api.store.create(NAMESPACES, None, {"metadata": {"name": namespace}})
    made = Desk(api)
    for name in ("cluster_date", "aws_date"):
        monkeypatch.setattr(examine_surroundings, name, lambda _: format_datetime(datetime.now(UTC)))
    monkeypatch.setattr(examine_quotas, "applied", lambda _: examine_quotas.Applied(unknown="nobody asked"))
    monkeypatch.setattr(reach, "connect", lambda **_: api.connect("desk", faults=made.faults))
    monkeypatch.setattr(kubeconfig, "find", lambda **_: SimpleNamespace(namespace="team-a"))
    return made


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """All accounts, of which the commands read as the caller, who is in the operator's own."""
    own = SimpleNamespace(engine=Engine(clock=time.time), latency=0.0)
    made = Cloud(own, clock=time.time)

    @asynccontextmanager
    async def reading(region: str, *, assume: bool) -> AsyncIterator[Paced]:
        caller = made.caller(made.home, region or REGION)
        yield Paced(caller, opener=AsCaller(caller, made, assume=assume), rate=1e6)

    for module in (look_ahead, dry_run):
        monkeypatch.setattr(module, "reading", reading)
    monkeypatch.setenv("GATEWAY_ID", GATEWAY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return made


@pytest.fixture
def aws(cloud: Cloud) -> AdminClient:
    """An account with two gateways, which the commands read."""
    account = AdminClient.in_process(cloud.engine((OWN, REGION)))
    for gateway_id in (GATEWAY, OTHER_GATEWAY):
        account.create_gateway(gateway_id)
    return account
