"""MCPGateways with a real API server and the ServiceAccount's own rights: what reaches AWS, what does not."""

from __future__ import annotations

import json
from typing import Any

from mcp_gateway_operator.api import names
from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, OTHER_GATEWAY, Site
from tests.support.crds import remove
from tests.support.polling import until

ACCOUNT = "123456789012"
SPOKE = "222222222222"
CLASSES = f"/apis/{names.GROUP}/{names.VERSION}/{names.CLASS_PLURAL}"


def gateway(
    name: str, gateway_id: str, allow: list[dict[str, Any]], *, account: str = ACCOUNT, **spec: Any
) -> dict[str, Any]:
    """Return an MCPGateway."""
    arn = f"arn:aws:bedrock-agentcore:us-east-1:{account}:gateway/{gateway_id}"
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.CLASS_KIND,
        "metadata": {"name": name},
        "spec": {"gatewayArn": arn, "allow": allow, **spec},
    }


def test_one_team_is_permitted_and_nothing_reaches_the_gateway_of_the_other(site: Site) -> None:
    here = {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}}
    entry = {
        "namespaces": here,
        "authTypes": ["NoAuth"],
        "endpoints": ["https://weather.example.com"],
    }
    mine, theirs = f"mine-{site.namespace}", f"theirs-{site.namespace}"
    elsewhere = {**entry, "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "another"}}}
    site.cluster.post(CLASSES, gateway(mine, GATEWAY, [entry]))
    site.cluster.post(CLASSES, gateway(theirs, OTHER_GATEWAY, [elsewhere]))
    try:
        site.start()
        spec = {
            "endpoint": "https://weather.example.com/mcp",
            "capabilities": ["tools"],
            "authType": "NoAuth",
        }
        site.create("by-ref", None, **spec, gatewayRef={"name": mine})
        site.create("not-there", None, **spec, gatewayRef={"name": theirs})
        site.create("by-id", None, **spec, gatewayId=OTHER_GATEWAY)
        site.create(
            "another-host",
            None,
            **{**spec, "gatewayRef": {"name": mine}, "endpoint": "https://x.example.com"},
        )
        made = site.until_ready("by-ref")
        for name in ("not-there", "by-id", "another-host"):
            site.until_reason("NotPermitted", name)
        assert made["status"]["placedBy"]["class"] == mine
        requests = site.simulator.admin.requests(limit=10_000)
        assert [each for each in requests if OTHER_GATEWAY in json.dumps(each)] == []
        created = [each for each in requests if each["operation"] == "CreateGatewayTarget"]
        assert len(created) == 1
        site.cluster.patch(f"{CLASSES}/{mine}", {"spec": {"allow": []}})
        until(lambda: condition(site.get("by-ref"), "Permitted").get("status") == "False")
        assert condition(site.get("by-ref"))["status"] == "True"
    finally:
        for name in (mine, theirs):
            remove(site.cluster, f"{CLASSES}/{name}")


def test_a_gateway_of_another_account_is_reached_by_the_session_of_its_role_alone(site: Site) -> None:
    spoke = site.simulator.admin.account(SPOKE, "us-east-1")
    site.simulator.admin.account(SPOKE).add_role("mcp-targets", trust=[ACCOUNT], external_id="acme")
    spoke.create_gateway(GATEWAY)
    name = f"spoke-{site.namespace}"
    entry = {
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}},
        "authTypes": ["NoAuth"],
        "endpoints": ["https://weather.example.com"],
    }
    aws = {"roleArn": f"arn:aws:iam::{SPOKE}:role/mcp-targets", "externalId": "acme"}
    site.cluster.post(CLASSES, gateway(name, GATEWAY, [entry], account=SPOKE, aws=aws))
    try:
        site.start()
        spec = {
            "endpoint": "https://weather.example.com/mcp",
            "capabilities": ["tools"],
            "authType": "NoAuth",
        }
        site.create("far", None, **spec, gatewayRef={"name": name})
        made = site.until_ready("far")
        arn = f"arn:aws:bedrock-agentcore:us-east-1:{SPOKE}:gateway/{GATEWAY}"
        assert (made["status"]["gatewayId"], made["status"]["gatewayArn"]) == (arn, arn)
        created = spoke.requests(operation="CreateGatewayTarget")
        assert [each["session"] for each in created] == [f"mcp-gateway-operator@{name}"[:64]]
        site.delete("far")
        until(lambda: site.get("far") is None)
        assert spoke.targets(GATEWAY) == []
        assert site.simulator.admin.account(ACCOUNT).requests(operation="CreateGatewayTarget") == []
    finally:
        remove(site.cluster, f"{CLASSES}/{name}")
