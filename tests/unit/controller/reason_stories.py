"""For every reason of a condition: the shortest story that ends in it, or passes through it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentcore_simulator.settings import Durations, Quotas, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.quota.quotas import Quotas as AgentCoreQuotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from tests.support.accounts import SPOKE, Cloud, role
from tests.support.classes import ALLOW, Platform, arn
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, record_of

HUMAN = {"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}}
SLOW = SimulatorSettings(durations=Durations(creating=20, updating=20, synchronizing=20, deleting=20))

Story = Callable[[World], Awaitable[None]]
STORIES: dict[str, Story] = {}
SETTINGS: dict[str, SimulatorSettings] = {}
"""Simulators other than the usual one."""


def story(reason: str, simulator: SimulatorSettings | None = None) -> Callable[[Story], Story]:
    """Register a story; it may rely on the reason being looked for in everything that was ever written."""

    def register(tell: Story) -> Story:
        STORIES[reason] = tell
        if simulator is not None:
            SETTINGS[reason] = simulator
        return tell

    return register


async def ready(world: World, **spec: Any) -> None:
    """Make the object and wait until it is Ready."""
    await world.create(**spec)
    await world.until_ready()


@story(Reason.READY)
async def _ready(world: World) -> None:
    async with world.operator():
        await ready(world)


STORIES[Reason.SYNCED] = STORIES[Reason.SETTLED] = _ready


@story(Reason.VALIDATION_ERROR)
async def _validation(world: World) -> None:
    async with world.operator():
        await world.create(allowedRequestHeaders=["Authorization"])
        await world.until_reason(Reason.VALIDATION_ERROR)


@story(Reason.CONFIGURATION_ERROR)
async def _configuration(world: World) -> None:
    async with world.operator(gateway_id=""):
        await world.create()
        await world.until_reason(Reason.CONFIGURATION_ERROR)


@story(Reason.CREATION_ERROR)
async def _creation(world: World) -> None:
    world.aws.add_fault(operation="CreateGatewayTarget", code="ValidationException", count=None)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.CREATION_ERROR)


@story(Reason.UPDATE_ERROR)
async def _update(world: World) -> None:
    async with world.operator():
        await ready(world)
        world.aws.add_fault(operation="UpdateGatewayTarget", code="ValidationException", count=None)
        await world.edit(spec={"description": "changed"})
        await world.until_reason(Reason.UPDATE_ERROR)


@story(Reason.QUEUED)
async def _queued(world: World) -> None:
    async with world.operator(quotas=AgentCoreQuotas.parse("create=0.02")):
        await world.create("first")
        await world.create("second")
        await world.pass_time(100)


@story(Reason.CREATING, SLOW)
async def _creating(world: World) -> None:
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.CREATING)


@story(Reason.UPDATING, SLOW)
async def _updating(world: World) -> None:
    async with world.operator():
        await ready(world)
        await world.edit(spec={"description": "changed"})
        await world.until_reason(Reason.UPDATING)


@story(Reason.SYNCHRONIZING, SLOW)
async def _synchronizing(world: World) -> None:
    async with world.operator():
        await ready(world)
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now"}})
        await world.until_reason(Reason.SYNCHRONIZING)


@story(Reason.DELETING, SLOW)
async def _deleting(world: World) -> None:
    async with world.operator():
        await ready(world)
        await world.delete()
        await world.until_reason(Reason.DELETING)


@story(Reason.DELETION_ERROR)
async def _deletion(world: World) -> None:
    async with world.operator():
        await ready(world)
        world.aws.add_fault(operation="DeleteGatewayTarget", code="ValidationException", count=None)
        await world.delete()
        await world.until_reason(Reason.DELETION_ERROR)


@story(Reason.DRIFTED)
async def _drifted(world: World) -> None:
    async with world.operator(drift_interval=10.0):
        await world.create(driftPolicy="Report")
        obj = await world.until_ready()
        world.aws.edit_target(obj.status.target_id, targetConfiguration=HUMAN)
        await world.until_reason(Reason.DRIFTED)


@story(Reason.NOT_CONVERGING)
async def _not_converging(world: World) -> None:
    async with world.operator(drift_interval=10.0):
        await ready(world, description="mine")
        world.aws.add_writer(every=0.1, edit={"description": "theirs"})
        await world.until_reason(Reason.NOT_CONVERGING)


@story(Reason.TARGET_FAILED)
async def _failed(world: World) -> None:
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.TARGET_FAILED)


@story(Reason.PENDING_AUTHORIZATION)
async def _consent(world: World) -> None:
    world.aws.add_scenario(outcome="consent")
    async with world.operator():
        await world.create(oauthGrantType="AUTHORIZATION_CODE")
        await world.until_reason(Reason.PENDING_AUTHORIZATION)


@story(Reason.AUTHORIZED)
async def _authorized(world: World) -> None:
    await _consent(world)
    async with world.operator():
        world.aws.consent((await world.get()).status.target_id)
        await world.until_ready(within=200)


@story(Reason.NAME_CONFLICT)
async def _name(world: World) -> None:
    world.aws.create_target(GATEWAY, name="weather", targetConfiguration=HUMAN)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.NAME_CONFLICT)


@story(Reason.FOREIGN_MARKER)
async def _foreign(world: World) -> None:
    async with world.operator(owner_ids=("cluster-a",)):
        await ready(world)
    async with world.operator(owner_ids=("cluster-b",)):
        await world.until_reason(Reason.FOREIGN_MARKER)


@story(Reason.GATEWAY_FULL, SimulatorSettings(quotas=Quotas(targets_per_gateway=1)))
async def _full(world: World) -> None:
    world.aws.create_target(GATEWAY, name="human", targetConfiguration=HUMAN)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.GATEWAY_FULL)


@story(Reason.GATEWAY_NOT_FOUND)
async def _no_gateway(world: World) -> None:
    async with world.operator():
        await world.create(gatewayId="nowhere-abcdefghij")
        await world.until_reason(Reason.GATEWAY_NOT_FOUND)


@story(Reason.WRONG_ACCOUNT_OR_REGION)
async def _elsewhere(world: World) -> None:
    async with world.operator():
        obj = await world.create()
        obj = await world.until_ready()
    arn = obj.status.gateway_arn.replace("123456789012", "999999999999")
    await world.set_status({**record_of(obj), "gatewayArn": arn})
    world.aws.delete_gateway(GATEWAY)
    async with world.operator():
        await world.delete()
        await world.until_reason(Reason.WRONG_ACCOUNT_OR_REGION, within=600)


@story(Reason.ACCESS_DENIED)
async def _denied(world: World) -> None:
    world.aws.configure(denied_actions=["CreateGatewayTarget"])
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.ACCESS_DENIED)


@story(Reason.CREDENTIALS_REFUSED)
async def _credentials(world: World) -> None:
    world.aws.configure(expired_credentials=True)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.CREDENTIALS_REFUSED)


def refused(reason: str, code: str, message: str, operation: str = "CreateGatewayTarget") -> None:
    """Register the story of an operation that AWS refuses in these words."""

    @story(reason)
    async def _refused(world: World) -> None:
        world.aws.add_fault(operation=operation, code=code, message=message, count=None)
        async with world.operator():
            await world.create()
            await world.until_reason(reason)


DENIED = "User: arn:aws:sts::123456789012:assumed-role/operator/s is not authorized to perform: "
ACTION = "bedrock-agentcore:CreateGatewayTarget on resource: gateway/demo "
refused(
    Reason.DENIED_BY_POLICY,
    "AccessDeniedException",
    f"{DENIED}{ACTION}with an explicit deny in a service control policy",
)
refused(
    Reason.GATEWAY_ROLE_DENIED,
    "AccessDeniedException",
    "Gateway service is not authorized to assume the execution role",
)
refused(Reason.REGION_DISABLED, "OptInRequired", "The AWS Access Key Id needs a subscription for the service")
refused(Reason.REFERENCE_NOT_FOUND, "ResourceNotFoundException", "Credential provider idp not found")
refused(
    Reason.SIGNATURE_REFUSED,
    "InvalidSignatureException",
    "The request signature we calculated does not match",
    operation="*",
)


@story(Reason.AWS_UNAVAILABLE)
async def _unavailable(world: World) -> None:
    world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=None)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.AWS_UNAVAILABLE)


@story(Reason.THROTTLED)
async def _throttled(world: World) -> None:
    world.aws.add_fault(operation="CreateGatewayTarget", code="ThrottlingException", count=5)
    async with world.operator():
        await world.create()
        await world.until_reason(Reason.THROTTLED)


@story(Reason.PAUSED)
async def _paused(world: World) -> None:
    async with world.operator():
        await ready(world)
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.edit(spec={"description": "changed"})
        await world.until_reason(Reason.PAUSED)


@story(Reason.OBSERVED)
async def _observed(world: World) -> None:
    async with world.operator():
        await world.create(managementPolicy="Observe")
        await world.until_reason(Reason.OBSERVED)


@story(Reason.MOVING, SLOW)
async def _moving(world: World) -> None:
    async with world.operator():
        await ready(world)
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.until_reason(Reason.MOVING)


@story(Reason.DUPLICATE_MARKER, SimulatorSettings(switches=Switches(duplicate_names="allow")))
async def _duplicate(world: World) -> None:
    async with world.operator():
        obj = await world.create()
        obj = await world.until_ready()
        first = world.aws.target(obj.status.target_id)
        world.aws.create_target(
            GATEWAY, name="weather", targetConfiguration=HUMAN, description=first["description"]
        )
        await world.until(lambda: len(world.targets()) == 1, within=300)


@story(Reason.NOT_PERMITTED)
async def _not_permitted(world: World) -> None:
    platform = Platform(world)
    await platform.make(allow=[])
    async with world.operator():
        await world.create(gatewayRef={"name": "tools"})
        await world.until_reason(Reason.NOT_PERMITTED)


@story(Reason.PERMITTED)
async def _permitted(world: World) -> None:
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await ready(world, gatewayRef={"name": "tools"})


@story(Reason.ROLE_REFUSED)
async def _role(world: World) -> None:
    cloud = world.opener = Cloud(world)
    cloud.denied.add(role())
    platform = Platform(world)
    spoke = arn(GATEWAY, account=SPOKE)
    await platform.make(gateway_arn=spoke, aws={"roleArn": role()}, allow=[{**ALLOW, "authTypes": ["*"]}])
    async with world.operator(gateway_id=""):
        credentials: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
        await world.create(gatewayRef={"name": "tools"}, **credentials)
        await world.until_reason(Reason.ROLE_REFUSED)
