"""From options to what an operator would do: its settings, the cluster's objects, manifests over them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, TypeVar, cast

import click
import msgspec

from mcp_gateway_operator.api.manifests import Manifest, ManifestError, manifests
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.cli.files import manifest_files, name_of, template_in, text_of
from mcp_gateway_operator.cli.fleet.aws import reading
from mcp_gateway_operator.cli.fleet.command import F
from mcp_gateway_operator.cli.fleet.foresee import Future, Key, foresee
from mcp_gateway_operator.cli.fleet.reads import Everywhere
from mcp_gateway_operator.cli.fleet.scene import Scene, gateways_of
from mcp_gateway_operator.cli.fleet.whereabouts import Where, class_at
from mcp_gateway_operator.cli.options import GatewayId, OwnerIds
from mcp_gateway_operator.controller.operator import OperatorConfig
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import AgentCoreError
from mcp_gateway_operator.targets.shape import bare

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the operator that is tried out, as its own flags name them."""

    gateway_id: str
    default_gateway_ref: str
    require_gateway_ref: bool
    aws_region: str
    owner_id: tuple[str, ...]
    allow_adoption: bool
    default_deletion_policy: str
    assume_class_roles: bool

    @property
    def config(self) -> OperatorConfig:
        """The operator's configuration."""
        return OperatorConfig(
            gateway_id=self.gateway_id,
            default_gateway_ref=self.default_gateway_ref,
            require_gateway_ref=self.require_gateway_ref,
            owner_ids=self.owner_id,
            allow_adoption=self.allow_adoption,
            default_deletion_policy=self.default_deletion_policy,
        )


def operator_options(function: F) -> F:
    """Add the flags of `run` that decide what is done, given on as `settings`."""

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        taken = {name: given.pop(name) for name in Settings.__struct_fields__}
        return function(settings=Settings(**taken), **given)

    result: Any = wrapped
    for option in reversed(_OPERATOR):
        result = option(result)
    return cast(F, result)


_OPERATOR: Final = (
    click.option(
        "--gateway-id",
        envvar=["MCPS_GATEWAY_ID", "GATEWAY_ID"],
        type=GatewayId(),
        default="",
        help="As the operator's: for objects that name no gateway.",
    ),
    click.option(
        "--default-gateway-ref",
        envvar="MCPS_DEFAULT_GATEWAY_REF",
        default="",
        help="As the operator's: an MCPGateway for objects that name no gateway.",
    ),
    click.option(
        "--require-gateway-ref", envvar="MCPS_REQUIRE_GATEWAY_REF", is_flag=True, help="As the operator's."
    ),
    click.option("--aws-region", envvar=["MCPS_AWS_REGION", "AWS_REGION"], default="", help="AWS Region."),
    click.option(
        "--owner-id",
        envvar="MCPS_OWNER_ID",
        type=OwnerIds(),
        default="",
        help="As the operator's; else the uid of the namespace kube-system.",
    ),
    click.option("--allow-adoption", envvar="MCPS_ALLOW_ADOPTION", is_flag=True, help="As the operator's."),
    click.option(
        "--default-deletion-policy",
        envvar="MCPS_DEFAULT_DELETION_POLICY",
        type=click.Choice(["Delete", "Retain"]),
        default="Delete",
        help="As the operator's.",
    ),
    click.option(
        "--assume-class-roles",
        envvar="MCPS_ASSUME_CLASS_ROLES",
        is_flag=True,
        help="Assume the roles of MCPGateways; else gateways of other accounts than yours are not read.",
    ),
)


_NO_TEMPLATES: Final = "It is a Helm template: give what it renders (helm template CHART | mcps plan -f -)."


def manifests_in(files: Iterable[str]) -> Iterator[Manifest]:
    """Yield the MCPServers in files, directories (whatever is below them) and "-".

    Raises:
        ClickException: a file cannot be read, or is not YAML.
    """
    for path in manifest_files(files):
        text = ""
        try:
            text = text_of(path)
            yield from manifests(text)
        except OSError as error:
            raise click.ClickException(
                f"{name_of(path)} cannot be read: {error.strerror}. Name the files that hold manifests."
            ) from error
        except (UnicodeDecodeError, ManifestError) as error:
            wish = _NO_TEMPLATES if template_in(text) is not None else "Correct it, or name other files."
            raise click.ClickException(
                f"{name_of(path)} cannot be read: {shown(str(error))}. {wish}"
            ) from error


def require_owner(scene: Scene, settings: Settings) -> None:
    """See to it that a cluster's own targets can be told from those of others.

    Raises:
        ClickException: nothing tells.
    """
    if not scene.owner and not settings.owner_id:
        raise click.ClickException(
            "Nothing tells which targets are this cluster's: give --owner-id, the same as the operator's, or "
            "the uid of the namespace kube-system, which you may not read here."
        )


def future_of(scene: Scene, settings: Settings) -> Future:
    """Return what an operator would do for the objects that a scene is about.

    Raises:
        ClickException: nothing tells whose targets are whose, or AWS cannot be asked at all.
    """
    require_owner(scene, settings)
    # Two gateways of one id count for one: nothing of an object that has none of them is looked at.
    around = {
        key: {bare(each) for each in gateways} for key, gateways in gateways_around(scene, settings).items()
    }
    near = set().union(*(around[key] for key in scene.chosen))
    about = {key for key, gateways in around.items() if key in scene.chosen or gateways & near}
    return foresee(
        scene.objects.values(),
        config=settings.config,
        aws=reading(settings.aws_region, assume=settings.assume_class_roles),
        about=about.__contains__,
        owner=scene.owner,
        schema=scene.schema,
        platform=scene.platform,
    )


def gateways_around(scene: Scene, settings: Settings, home: Where | None = None) -> dict[Key, set[str]]:
    """Return on which gateways each object of a scene has a target, or may have one, or is to have one.

    Args:
        scene: the objects.
        settings: of the operator.
        home: the account and Region in which an id is enough, None where they are not known.
    """
    classes = scene.classes
    default = class_at(classes.get(settings.default_gateway_ref), home) or settings.gateway_id
    return {key: gateways_of(obj, default, classes, home) for key, obj in scene.servers.items()}


def ask_aws(
    settings: Settings, work: Callable[[Everywhere], Awaitable[T]], classes: Iterable[MCPGateway] = ()
) -> T:
    """Return what `work` makes of a connection to AWS that can only read.

    Args:
        settings: of the operator.
        work: what is asked.
        classes: the MCPGateways, which lead to other accounts and Regions.

    Raises:
        ClickException: no Region is known, or the network cannot be used as it is configured.
    """
    found: list[T] = []

    async def whole() -> None:
        async with reading(settings.aws_region, assume=settings.assume_class_roles) as own:
            try:
                caller = await own.caller_identity()
            except AgentCoreError:
                home = None
            else:
                home = caller.account, caller.region
            found.append(await work(Everywhere(own, home, classes)))

    asyncio.run(whole())
    return found[0]
