"""One boto3 client for all tests, talking to a fresh engine in virtual time in each."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from agentcore_simulator import AdminClient, Engine, Settings, attach
from agentcore_simulator.settings import patched

GATEWAY = "demo-abcdefghij"
NOON = 1_795_003_200.0


class Simulation:
    """An engine, its admin API and boto3 clients, with a clock that moves when told."""

    def __init__(self, clients: dict[str, Any]) -> None:
        self.now = NOON
        self.engine = Engine(Settings(), clock=lambda: self.now)
        self.admin = AdminClient.in_process(self.engine)
        self.admin.create_gateway(GATEWAY)
        self.control = clients["bedrock-agentcore-control"]
        self.sts = clients["sts"]

    def configure(self, **changes: Any) -> None:
        """Merge changes into the settings."""
        self.engine.plane.settings = patched(self.engine.plane.settings, changes)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def client(
        self,
        account: str = "test",
        region: str = "us-east-1",
        *,
        service: str = "bedrock-agentcore-control",
        credentials: Any = None,
    ) -> Any:
        """A boto3 client of an account's user, or of the session that `credentials` (of STS) belong to."""
        given = credentials or {"AccessKeyId": account, "SecretAccessKey": "x", "SessionToken": None}
        client = boto3.client(
            service,
            region_name=region,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        attach(client, self.engine)
        return client

    def create(self, name: str | None = "tools", **members: Any) -> Any:
        """CreateGatewayTarget for an MCP server without credentials."""
        request = {
            "gatewayIdentifier": GATEWAY,
            "name": name,
            "targetConfiguration": server(f"https://{name}.example.com/mcp"),
            **members,
        }
        return self.control.create_gateway_target(**{k: v for k, v in request.items() if v is not None})

    def ready(self, name: str = "tools", **members: Any) -> str:
        """Create a target, wait until it has settled, and return its id."""
        target_id: str = self.create(name, **members)["targetId"]
        self.advance(1)
        return target_id

    def get(self, target_id: str) -> Any:
        """GetGatewayTarget."""
        return self.control.get_gateway_target(gatewayIdentifier=GATEWAY, targetId=target_id)

    def status(self, target_id: str) -> str:
        """The status that GetGatewayTarget shows."""
        return str(self.get(target_id)["status"])

    def update(self, target_id: str, name: str | None = "tools", **members: Any) -> Any:
        """UpdateGatewayTarget."""
        request = {
            "gatewayIdentifier": GATEWAY,
            "targetId": target_id,
            "name": name,
            "targetConfiguration": server("https://tools.example.com/mcp"),
            **members,
        }
        return self.control.update_gateway_target(**{k: v for k, v in request.items() if v is not None})

    def synchronize(self, target_id: str) -> Any:
        """SynchronizeGatewayTargets."""
        return self.control.synchronize_gateway_targets(gatewayIdentifier=GATEWAY, targetIdList=[target_id])

    def delete(self, target_id: str) -> Any:
        """DeleteGatewayTarget."""
        return self.control.delete_gateway_target(gatewayIdentifier=GATEWAY, targetId=target_id)

    def rows(self, **query: Any) -> list[Any]:
        """The items of one ListGatewayTargets call."""
        return list(self.control.list_gateway_targets(gatewayIdentifier=GATEWAY, **query)["items"])


def server(endpoint: str = "https://tools.example.com/mcp", **members: Any) -> dict[str, Any]:
    """A targetConfiguration for an MCP server."""
    return {"mcp": {"mcpServer": {"endpoint": endpoint, **members}}}


def oauth(grant: str = "CLIENT_CREDENTIALS", **members: Any) -> list[dict[str, Any]]:
    """CredentialProviderConfigurations for an OAuth grant."""
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/idp"
    provider = {"providerArn": arn, "scopes": ["read"], "grantType": grant, **members}
    return [{"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": provider}}]


_current: list[Simulation] = []


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """boto3 clients that talk to the engine of the running test."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    made = {}
    for service in ("bedrock-agentcore-control", "sts"):
        made[service] = session.client(service, config=Config(retries={"total_max_attempts": 1}))
        attach(made[service], lambda: _current[-1].engine)
    return made


@pytest.fixture
def sim(clients: dict[str, Any]) -> Simulation:
    """A fresh simulation with one gateway."""
    simulation = Simulation(clients)
    _current[:] = [simulation]
    return simulation
