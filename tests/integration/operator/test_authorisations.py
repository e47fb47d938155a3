"""Authorisations and optional fields on real parts: changed in place, cleared, refused."""

from __future__ import annotations

from typing import Any

from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, Site

VAULT = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default"
PROVIDER = f"{VAULT}/oauth2credentialprovider/idp"
CODE: dict[str, Any] = {
    "authType": "OAuth2",
    "oauthProviderArn": PROVIDER,
    "oauthScopes": ["read"],
    "oauthGrantType": "AUTHORIZATION_CODE",
}
KEY: dict[str, Any] = {
    "authType": "ApiKey",
    "apiKey": {"providerArn": f"{VAULT}/apikeycredentialprovider/key"},
}


def held(site: Site, name: str) -> dict[str, Any]:
    """Return the target of an object as AWS holds it."""
    (target,) = [each for each in site.targets() if each["name"] == name]
    return dict(target)


def test_an_authorisation_is_changed_in_place(running: Site) -> None:
    running.create("changes", **KEY)
    before = running.until_ready("changes")["status"]["targetId"]
    with running.bill() as bill:
        # A key of its own would be refused beside another authType, as the API server says.
        running.edit("changes", authType="GatewayIamRole", apiKey=None, iam={"service": "lambda"})
        obj = running.until_ready("changes")
        (provider,) = held(running, "changes")["credentialProviderConfigurations"]
        assert provider["credentialProviderType"] == "GATEWAY_IAM_ROLE"
        running.edit("changes", authType="NoAuth", iam=None)
        obj = running.until_ready("changes")
        assert not held(running, "changes").get("credentialProviderConfigurations")
    assert obj["status"]["targetId"] == before
    assert bill.aws_writes == {"UpdateGatewayTarget": 2}
    assert bill.writes <= 4


def test_clearing_a_field_clears_it_at_aws(running: Site) -> None:
    fields: dict[str, Any] = {
        "description": "Forecasts",
        "allowedRequestHeaders": ["X-A"],
        "resourcePriority": 5,
    }
    running.create("clears", **fields)
    running.until_ready("clears")
    assert held(running, "clears")["metadataConfiguration"]
    with running.bill() as bill:
        running.edit("clears", description="", allowedRequestHeaders=[], resourcePriority=None)
        running.until_ready("clears")
        running.until_calls("ListGatewayTargets", 3)
    target = held(running, "clears")
    assert "metadataConfiguration" not in target
    assert "Forecasts" not in target["description"]
    assert "resourcePriority" not in target["targetConfiguration"]["mcp"]["mcpServer"]
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def test_what_aws_refuses_is_shown_and_the_old_target_stays(running: Site) -> None:
    gateway = running.simulator.admin
    running.create("refused", **KEY)
    running.until_ready("refused")
    before = held(running, "refused")
    gateway.edit_gateway(GATEWAY, policyEngine=True)
    running.edit("refused", allowedRequestHeaders=[f"X-Tenant-{number}" for number in range(10)])
    told = running.until_reason("UpdateError", "refused")
    assert "takes at most 9 allowedRequestHeaders" in told["message"]
    gateway.edit_gateway(GATEWAY, policyEngine=False)
    assert held(running, "refused") == before
    running.edit("refused", allowedRequestHeaders=[])
    obj = running.until_ready("refused")
    assert condition(obj, "Stalled")["status"] == "False"
    assert held(running, "refused") == before


def test_a_provider_elsewhere_is_refused_before_it_is_sent(running: Site) -> None:
    running.create("elsewhere", **KEY)
    running.until_ready("elsewhere")
    foreign = KEY["apiKey"]["providerArn"].replace("us-east-1", "eu-west-1")
    with running.bill() as bill:
        running.edit("elsewhere", apiKey={"providerArn": foreign})
        told = running.until_reason("ValidationError", "elsewhere")
        assert "this is in the Region eu-west-1, and the gateway in us-east-1" in told["message"]
        running.edit("elsewhere", **KEY)
        running.until_ready("elsewhere")
    assert bill.aws_writes == {}
