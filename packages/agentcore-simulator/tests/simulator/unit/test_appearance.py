"""What Get makes of a configuration that was sent: defaults, order, case."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import GATEWAY, Simulation, oauth, server

METADATA = {"allowedRequestHeaders": ["X-B", "x-a"], "allowedQueryParameters": ["Q", "p"]}


def silent_oauth(**members: Any) -> list[dict[str, Any]]:
    """OAuth credentials without a grant type."""
    credentials = oauth(**members)
    del credentials[0]["credentialProvider"]["oauthCredentialProvider"]["grantType"]
    return credentials


def provider(shown: Any) -> Any:
    credentials = shown["credentialProviderConfigurations"][0]["credentialProvider"]
    return credentials["oauthCredentialProvider"]


def test_what_was_sent_comes_back_unchanged(sim: Simulation) -> None:
    credentials = silent_oauth(scopes=["write", "read"])
    target = sim.ready(metadataConfiguration=METADATA, credentialProviderConfigurations=credentials)
    shown = sim.get(target)
    assert shown["metadataConfiguration"] == METADATA
    assert shown["credentialProviderConfigurations"] == credentials
    assert shown["targetConfiguration"] == server("https://tools.example.com/mcp")


def test_defaults_can_be_shown(sim: Simulation) -> None:
    sim.configure(switches={"shows_defaults": True})
    shown = sim.get(sim.ready(credentialProviderConfigurations=silent_oauth()))
    sent = server("https://tools.example.com/mcp", listingMode="DEFAULT", resourcePriority=1000)
    assert shown["targetConfiguration"] == sent
    assert provider(shown)["grantType"] == "CLIENT_CREDENTIALS"


def test_order_and_case_can_differ(sim: Simulation) -> None:
    credentials = oauth(scopes=["write", "read"])
    target = sim.ready(metadataConfiguration=METADATA, credentialProviderConfigurations=credentials)
    sim.configure(switches={"list_order": "reversed"})
    shown = sim.get(target)
    assert shown["metadataConfiguration"] == {
        "allowedRequestHeaders": ["x-a", "X-B"],
        "allowedQueryParameters": ["p", "Q"],
    }
    assert provider(shown)["scopes"] == ["read", "write"]
    sim.configure(switches={"list_order": "kept", "header_case": "lower"})
    sim.admin.edit_gateway(GATEWAY, policyEngine=True)
    assert sim.get(target)["metadataConfiguration"] == {
        "allowedRequestHeaders": ["x-b", "x-a", "x-amzn-bedrock-agentcore-policy-session-id"],
        "allowedQueryParameters": ["Q", "p"],
    }


@pytest.mark.parametrize(
    ("default", "status"), [("CLIENT_CREDENTIALS", "READY"), ("AUTHORIZATION_CODE", "CREATE_PENDING_AUTH")]
)
def test_the_grant_of_a_provider_that_names_none(sim: Simulation, default: str, status: str) -> None:
    sim.configure(switches={"default_grant": default})
    target = sim.ready(credentialProviderConfigurations=silent_oauth())
    assert sim.status(target) == status
    assert sim.status(sim.ready("bare")) == "READY"  # no OAuth, no grant
