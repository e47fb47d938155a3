"""pytest plug-in: the fixture `agentcore`, a fresh AgentCore control plane for a test.

    def test_my_tool(agentcore):
        control = agentcore.client()
        control.create_gateway_target(gatewayIdentifier=agentcore.gateway_id, ...)

boto3, the AWS CLI and everything else that honours AWS_ENDPOINT_URL find it through the test's environment.
Nothing is imported before the first test that asks for it. The marker sets it up otherwise::

    @pytest.mark.agentcore(profile="aws", gateways=["mine-abcdefghij"], settings={"latency": 0.1})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentcore_simulator.admin import AdminClient
    from agentcore_simulator.wire import SimulatorServer

_GATEWAY = "demo-abcdefghij"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_NOT_OURS = (
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
    "AWS_ENDPOINT_URL_STS",
)


class AgentCore:
    """What a test gets: where the control plane is, a gateway in it, and its admin API."""

    def __init__(self, server: SimulatorServer, gateway_id: str) -> None:
        self.url = server.url
        """The endpoint URL; AWS_ENDPOINT_URL is set to it."""
        self.admin: AdminClient = server.admin
        """Request log, counts, faults, scenarios, edits from outside, time."""
        self.gateway_id = gateway_id
        """Id of a READY gateway (the first one, where the marker names several)."""

    def client(self, service: str = "bedrock-agentcore-control", **options: Any) -> Any:
        """A boto3 client of the control plane (or of "sts"); `options` are those of boto3.client."""
        import boto3  # noqa: PLC0415  -- see the module's docstring

        return boto3.client(service, **{"endpoint_url": self.url, "region_name": "us-east-1", **options})


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "agentcore(profile=, gateways=, settings=): how the fixture `agentcore` is set up."
    )


@pytest.fixture(scope="session")
def _agentcore_server() -> Iterator[SimulatorServer]:
    from agentcore_simulator.wire import SimulatorServer  # noqa: PLC0415  -- see the module's docstring

    with SimulatorServer() as server:
        yield server


@pytest.fixture
def agentcore(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _agentcore_server: SimulatorServer
) -> AgentCore:
    """A fresh AgentCore control plane with one gateway, in the environment of the test.

    Raises:
        ValueError: the marker `agentcore` has a setting that does not exist.
    """
    from agentcore_simulator.settings import for_profile, patched  # noqa: PLC0415  -- see the module's docstring

    marker = request.node.get_closest_marker("agentcore")
    wishes: dict[str, Any] = marker.kwargs if marker is not None else {}
    settings = patched(for_profile(wishes.get("profile", "fast")), wishes.get("settings", {}))
    gateways = list(wishes.get("gateways", [_GATEWAY]))
    admin = _agentcore_server.admin
    admin.replace_settings(settings)
    admin.reset()
    for gateway_id in gateways:
        admin.create_gateway(gateway_id)
    for name in _NOT_OURS:
        monkeypatch.delenv(name, raising=False)
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _agentcore_server.url)
    return AgentCore(_agentcore_server, gateways[0] if gateways else "")
