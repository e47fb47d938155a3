"""EKS Pod Identity, IRSA and a wrong clock, against the simulator over loopback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from botocore.utils import ContainerMetadataFetcher

from agentcore_simulator import Request, Response, SimulatorServer
from agentcore_simulator.engine.temporary_keys import CONTAINER_PATH
from agentcore_simulator.settings import Settings
from mcp_gateway_operator.agentcore.aws import Boto3AgentCore
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.integration.agentcore.conftest import GATEWAY

ROLE = "arn:aws:iam::123456789012:role/operator"
SHORT = Settings(credential_seconds=60.0)
"""Less than the ten minutes before their end within which the SDK renews credentials at each call."""


@contextmanager
def watched(server: SimulatorServer, see: Callable[[Request], Response | None]) -> Iterator[None]:
    """Show every request to `see`, which may answer in the simulator's stead."""
    handle = server.engine.handle
    server.engine.handle = lambda request: see(request) or handle(request)  # type: ignore[method-assign]
    try:
        yield
    finally:
        server.engine.handle = handle  # type: ignore[method-assign]


class Pod:
    """A pod's environment: a token file, and where credentials are had for it."""

    def __init__(self, server: SimulatorServer, token: Path) -> None:
        self.server = server
        self.shown: list[str] = []
        self.broken = False
        self._token = token
        self.rotate("token-1")

    def rotate(self, token: str) -> None:
        """Replace the projected token, as the kubelet does."""
        self._token.write_text(token, encoding="ascii")

    def lose(self) -> None:
        """Remove the projected token."""
        self._token.unlink()

    def see(self, request: Request) -> Response | None:
        """Note which token credentials were asked with; answer 500 while they are `broken`."""
        if request.path == CONTAINER_PATH:
            self.shown.append(request.headers["authorization"])
        elif b"AssumeRoleWithWebIdentity" in request.body:
            self.shown += parse_qs(request.body.decode())["WebIdentityToken"]
        else:
            return None
        return Response(500, {"content-type": "text/plain"}, b"not now") if self.broken else None

    def requests(self) -> list[str]:
        """Return the operations that AgentCore was asked for."""
        entries = self.server.admin.requests(limit=1000)
        return [entry["operation"] for entry in entries if not entry["operation"].startswith("sts:")]


def pod_identity(aws: pytest.MonkeyPatch, server: SimulatorServer, token: Path) -> None:
    """What the EKS Pod Identity webhook sets."""
    aws.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}{CONTAINER_PATH}")
    aws.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))


def irsa(aws: pytest.MonkeyPatch, _server: SimulatorServer, token: Path) -> None:
    """What the IRSA webhook sets."""
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    aws.setenv("AWS_ROLE_ARN", ROLE)


@pytest.fixture(params=[pod_identity, irsa])
def way(request: pytest.FixtureRequest) -> Callable[..., None]:
    """How a pod gets credentials."""
    chosen: Callable[..., None] = request.param
    return chosen


@contextmanager
def pod(
    aws: pytest.MonkeyPatch, tmp_path: Path, way: Callable[..., None], settings: Settings | None = None
) -> Iterator[Pod]:
    """Run a simulator, in the environment of a pod."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name)
    aws.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    with SimulatorServer(settings, gateways=[GATEWAY]) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        token = tmp_path / "token"
        way(aws, server, token)
        inside = Pod(server, token)
        with watched(server, inside.see):
            yield inside


async def test_credentials_are_fetched_once_and_used(
    aws: pytest.MonkeyPatch, tmp_path: Path, way: Callable[..., None], port: Boto3AgentCore
) -> None:
    """Reads, writes and STS share one set of credentials of the role."""
    with pod(aws, tmp_path, way) as inside:
        for _ in range(3):
            await port.list_targets(GATEWAY)
        identity = await port.caller_identity()
        assert ":assumed-role/" in identity.arn
        assert inside.shown == ["token-1"]


async def test_a_rotated_token_is_used_when_credentials_are_renewed(
    aws: pytest.MonkeyPatch, tmp_path: Path, way: Callable[..., None], port: Boto3AgentCore
) -> None:
    """No restart is needed: the file is read at each renewal."""
    with pod(aws, tmp_path, way, SHORT) as inside:
        await port.list_targets(GATEWAY)
        inside.rotate("token-2")
        await port.list_targets(GATEWAY)
        assert inside.shown[0] == "token-1"
        assert inside.shown[-1] == "token-2"


@pytest.mark.parametrize("lost", [False, True])
async def test_a_renewal_that_fails_for_a_while_stops_nothing_for_good(
    aws: pytest.MonkeyPatch, tmp_path: Path, way: Callable[..., None], port: Boto3AgentCore, *, lost: bool
) -> None:
    """Nothing was sent meanwhile, nothing is given up, and the first call afterwards goes through."""
    with pod(aws, tmp_path, way, SHORT) as inside:
        await port.list_targets(GATEWAY)
        if lost:
            inside.lose()
        inside.broken = True
        for _ in range(2):
            with pytest.raises(AgentCoreError) as failed:
                await port.delete_target(GATEWAY, "abcdefghij", fence=lambda: True)
            assert failed.value.kind is ErrorKind.CREDENTIALS
            assert not failed.value.maybe_applied
        assert inside.requests() == ["ListGatewayTargets"]
        inside.broken = False
        inside.rotate("token-2")
        assert (await port.list_targets(GATEWAY)).items == ()


async def test_credentials_that_ended_early_are_fetched_anew(
    aws: pytest.MonkeyPatch, tmp_path: Path, way: Callable[..., None], port: Boto3AgentCore
) -> None:
    """By the SDK's clock they are good for an hour; AWS says otherwise, once."""
    with pod(aws, tmp_path, way) as inside:
        await port.list_targets(GATEWAY)
        inside.server.admin.add_fault(operation="ListGatewayTargets", code="ExpiredTokenException")
        with pytest.raises(AgentCoreError, match="expired") as failed:
            await port.list_targets(GATEWAY)
        assert failed.value.kind is ErrorKind.CREDENTIALS
        assert (await port.list_targets(GATEWAY)).items == ()
        assert inside.shown == ["token-1", "token-1"]


async def test_fixed_credentials_that_ended_are_told_from_a_missing_right(
    simulator: SimulatorServer, port: Boto3AgentCore
) -> None:
    """Nobody renews what stands in the environment."""
    simulator.admin.configure(expired_credentials=True)
    with pytest.raises(AgentCoreError, match="expired") as failed:
        await port.list_targets(GATEWAY)
    assert failed.value.kind is ErrorKind.CREDENTIALS


async def test_a_credentials_file_that_is_written_anew_is_read_again(
    aws: pytest.MonkeyPatch, tmp_path: Path, port: Boto3AgentCore
) -> None:
    """As a sidecar does it: AWS refuses the old keys, and the next call has the new ones."""
    file = tmp_path / "credentials"
    key = "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
    file.write_text(key.format("OLD", "old"), encoding="utf-8")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name, raising=False)
    aws.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    with SimulatorServer(Settings(), gateways=[GATEWAY]) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        keys: list[str] = []

        def see(request: Request) -> Response | None:
            keys.append(request.headers["authorization"].partition("Credential=")[2].partition("/")[0])
            if keys[-1] != "OLD":
                return None
            body = b'{"message": "The security token included in the request is invalid"}'
            return Response(403, {"x-amzn-errortype": "UnrecognizedClientException"}, body)

        with watched(server, see):
            with pytest.raises(AgentCoreError, match="invalid") as failed:
                await port.list_targets(GATEWAY)
            assert failed.value.kind is ErrorKind.CREDENTIALS
            file.write_text(key.format("NEW", "new"), encoding="utf-8")
            assert (await port.list_targets(GATEWAY)).items == ()
        assert keys == ["OLD", "NEW"]


class Watchman:
    """Refuses signatures of more than five minutes ago or ahead, by a clock of its own."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.refused = 0
        self.code = "InvalidSignatureException"

    def see(self, request: Request) -> Response | None:
        """Answer in the service's stead if the signature's time is wrong."""
        if not request.path.startswith("/gateways/"):
            return None
        text = request.headers["x-amz-date"]
        signed = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        now = time.time() + self.ahead
        if abs(now - signed) <= 300:
            return None
        self.refused += 1
        headers = {"x-amzn-errortype": self.code, "date": formatdate(now, usegmt=True)}
        return Response(403, headers, f'{{"message": "Signature expired: {text} is too old"}}'.encode())


@pytest.mark.parametrize("code", ["InvalidSignatureException", "RequestExpired"])
async def test_a_wrong_clock_costs_one_refused_call(
    simulator: SimulatorServer, port: Boto3AgentCore, code: str
) -> None:
    """AWS's time is taken from the refusal, each time that the difference changes by minutes."""
    watchman = Watchman()
    watchman.code = code
    with watched(simulator, watchman.see):
        for turn, ahead in enumerate([600.0, -600.0, 0.0, 86_400.0], start=1):
            watchman.ahead = ahead
            with pytest.raises(AgentCoreError, match="clock") as failed:
                await port.delete_target(GATEWAY, "abcdefghij", fence=lambda: True)
            assert failed.value.kind is ErrorKind.TRANSIENT
            assert not failed.value.maybe_applied
            for _ in range(3):
                assert (await port.list_targets(GATEWAY)).items == ()
            assert watchman.refused == turn


async def test_a_signature_refused_for_another_reason_is_told_from_a_missing_right(
    simulator: SimulatorServer, port: Boto3AgentCore
) -> None:
    """The clocks agree: then it is the secret that is wrong, and no second try helps."""
    simulator.admin.add_fault(operation="ListGatewayTargets", code="InvalidSignatureException", count=None)
    for _ in range(2):
        with pytest.raises(AgentCoreError) as failed:
            await port.list_targets(GATEWAY)
        assert failed.value.kind is ErrorKind.CREDENTIALS
