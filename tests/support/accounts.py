"""AWS in several accounts and Regions, each an engine of its own, and the roles by which one gets there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from agentcore_simulator import AdminClient, Engine
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.port import CallerIdentity, Identity, Opened
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import account_and_region
from tests.support.virtual_time import EPOCH, pass_time
from tests.support.world import EngineAgentCore, clients

OWN = "123456789012"
SPOKE = "222222222222"
REGION = "us-east-1"
FAR_REGION = "eu-west-1"
clients(FAR_REGION)  # reads files, which no test may do
Where = tuple[str, str]


def role(account: str = SPOKE, name: str = "mcp-targets") -> str:
    """Return a role's ARN."""
    return f"arn:aws:iam::{account}:role/{name}"


class Asked(NamedTuple):
    """One request for a session."""

    at: float
    identity: Identity
    name: str


class Home(Protocol):
    """The operator's own account and Region, as a `World` has them."""

    engine: Engine
    latency: float


def _virtual() -> Callable[[], float]:
    """Return the clock of the loop that runs now, whichever runs later."""
    loop = asyncio.get_running_loop()
    return lambda: EPOCH.timestamp() + loop.time()


class _Port(EngineAgentCore):
    """The adapter in one account and Region; says whose session it is."""

    def __init__(self, cloud: Cloud, where: Where, latency: float) -> None:
        super().__init__(cloud.engine(where), latency=latency, call_seconds=15.0)
        self._cloud = cloud
        self._where = where

    def _clients(self) -> Any:
        return clients() if self._where[1] == REGION else clients(FAR_REGION)

    async def caller_identity(self) -> CallerIdentity:
        """Return the account and Region, as STS would."""
        self._cloud.identities += 1
        account, region = self._where
        return CallerIdentity(account=account, arn=f"arn:aws:sts::{account}:assumed-role/x/y", region=region)


class Cloud:
    """All accounts but the operator's own, which is the world's engine; makes sessions as `Opener` says.

    Args:
        world: whose account the operator's is.
        clock: of AWS, in Unix time; virtual time where there is none.

    Attributes:
        denied: roles that STS gives to nobody.
        hanging: Regions in which nothing answers.
        acts_in: the account in which a role acts, where that is not the one of its ARN.
        lifetime: seconds that a session lasts.
        home: the account of those who assume roles.
        asked: the requests for sessions, in their order.
        identities: how often STS was asked whose a session is.
    """

    def __init__(self, world: Home, clock: Callable[[], float] | None = None) -> None:
        self._world = world
        self._clock = clock or _virtual()
        self._engines: dict[Where, Engine] = {(OWN, REGION): world.engine}
        self.denied: set[str] = set()
        self.hanging: set[str] = set()
        self.acts_in: dict[str, str] = {}
        self.lifetime = 3600.0
        self.home = OWN
        self.asked: list[Asked] = []
        self.identities = 0

    def engine(self, where: Where) -> Engine:
        """Return an account and Region."""
        if where not in self._engines:
            account, region = where
            settings = SimulatorSettings(account=account, region=region)
            self._engines[where] = Engine(settings, clock=self._clock)
        return self._engines[where]

    def aws(self, account: str = SPOKE, region: str = REGION) -> AdminClient:
        """Return the admin's view of an account and Region."""
        return AdminClient.in_process(self.engine((account, region)))

    def targets(self, gateway_id: str, account: str = SPOKE, region: str = REGION) -> list[dict[str, Any]]:
        """Return the targets that a gateway has."""
        return self.aws(account, region).targets(gateway_id)

    def requests(self, account: str = SPOKE, region: str = REGION) -> list[str]:
        """Return the operations that reached an account and Region, GetGateway and STS aside."""
        return [
            each["operation"]
            for each in self.aws(account, region).requests(limit=100_000)
            if not each["operation"].startswith("sts:") and each["operation"] != "GetGateway"
        ]

    def caller(self, account: str = OWN, region: str = REGION) -> EngineAgentCore:
        """Return calls under credentials of an account."""
        return _Port(self, (account, region), self._world.latency)

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session."""
        now = asyncio.get_running_loop().time()
        self.asked.append(Asked(now, identity, name))
        if identity.region in self.hanging:
            await pass_time(15.0)
            raise AgentCoreError(ErrorKind.TRANSIENT, "Timeout", "assume_role did not end within 15 s")
        await asyncio.sleep(self._world.latency)
        if identity.role_arn in self.denied:
            message = f"User: x is not authorized to perform: sts:AssumeRole on resource: {identity.role_arn}"
            raise AgentCoreError(ErrorKind.ACCESS_DENIED, "AccessDenied", message)
        account = account_and_region(identity.role_arn)[0] or self.home
        account = self.acts_in.get(identity.role_arn, account)
        port = _Port(self, (account, identity.region), self._world.latency)
        return Opened(port, now + self.lifetime)
