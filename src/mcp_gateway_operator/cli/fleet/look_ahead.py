"""From options to what an operator would do: its settings, the cluster's objects, manifests over them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import click
import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import DecodeError, decode
from mcp_gateway_operator.api.manifests import Manifest, ManifestError, manifests
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.files import manifest_files, name_of, text_of
from mcp_gateway_operator.cli.fleet.aws import reading
from mcp_gateway_operator.cli.fleet.command import F
from mcp_gateway_operator.cli.fleet.foresee import Future, Key, foresee
from mcp_gateway_operator.cli.fleet.paper_aws import ReadOnly
from mcp_gateway_operator.cli.fleet.paper_cluster import Json, planned
from mcp_gateway_operator.cli.fleet.reach import Scope, raw_servers, refuse, with_cluster
from mcp_gateway_operator.cli.options import GatewayId, OwnerIds
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.operator import OWNER_NAMESPACE, OperatorConfig
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, Cluster
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import stored_moves, stored_record

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the operator that is tried out, as its own flags name them."""

    gateway_id: str
    aws_region: str
    owner_id: tuple[str, ...]
    allow_adoption: bool
    default_deletion_policy: str

    @property
    def config(self) -> OperatorConfig:
        """The operator's configuration."""
        return OperatorConfig(
            gateway_id=self.gateway_id,
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
)


class Scene(msgspec.Struct, kw_only=True):
    """What an operator would find.

    Attributes:
        objects: as the API server sends them, by key.
        servers: the same, decoded.
        unread: why some of them are not in `servers`; the operator leaves these alone.
        chosen: the keys that the caller asks about, all of them in `servers`.
    """

    objects: dict[Key, Json] = {}
    servers: dict[Key, MCPServer] = {}
    unread: dict[Key, str] = {}
    chosen: set[Key] = set()
    owner: str = ""
    schema: bytes = b""

    def put(self, obj: Json) -> None:
        """Let an object be there.

        Raises:
            DecodeError: it cannot be read; it is there all the same.
        """
        key = _key(obj)
        self.objects[key] = obj
        self.servers[key] = decode(msgspec.json.encode(obj))

    def take(self, raw: msgspec.Raw) -> None:
        """Let an object be there as the API server sends it; what cannot be read is noted."""
        obj = _loaded(raw)
        try:
            self.put(obj)
        except DecodeError as error:
            self.unread[_key(obj)] = str(error)


def read_scene(scope: Scope, *, wanted: tuple[str, ...] = (), may_miss: bool = False) -> Scene:
    """Read what there is in the cluster.

    Args:
        scope: which objects are asked about; the others are read, too, for they may want the same names.
        wanted: names, where not all in the scope are asked about.
        may_miss: objects of these names need not be there.

    Raises:
        ClickException: the cluster refuses, or a wanted object is not there or cannot be read.
    """
    where = scope.where()

    async def work(cluster: Cluster) -> Scene:
        scene = Scene()
        try:
            await _take_all(scene, cluster, None)
        except ApiError as error:
            if not error.forbidden or where is None:
                raise
            await _take_all(scene, cluster, where)
        asked = {key for key in scene.objects if where in (None, key[0]) and (not wanted or key[1] in wanted)}
        if scope.selector:
            found = raw_servers(cluster, where, labels=scope.selector)
            asked &= {_key(_loaded(raw)) async for raw in found}
        for name in () if may_miss else wanted:
            if not any(key[1] == name for key in asked):
                raise click.ClickException(f"There is no MCPServer {name!r} in {where or 'any namespace'}.")
        scene.chosen = asked & scene.servers.keys()
        scene.owner = await _owner(cluster)
        scene.schema = await _maybe(cluster.get_path(PATH))
        return scene

    scene = with_cluster(scope, work)
    for key, why in scene.unread.items():
        said = f"MCPServer {'/'.join(key)} cannot be read, and the operator leaves it alone: {why}"
        if key[1] in wanted and where in (None, key[0]):
            raise click.ClickException(said)
        say(said, err=True)
    return scene


async def _take_all(scene: Scene, cluster: Cluster, namespace: str | None) -> None:
    async for raw in raw_servers(cluster, namespace):
        scene.take(raw)


def with_manifests(scene: Scene, found: Iterable[Manifest], *, namespace: str, prune: bool) -> None:
    """Put manifests over a scene, which is about them then.

    Args:
        scene: what is there.
        found: what is applied.
        namespace: of those that name none.
        prune: what is chosen in the scene and in no manifest is deleted.

    Raises:
        ClickException: what is there under the name of a manifest cannot be read.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    applied: set[Key] = set()
    for each in found:
        key = (each.namespace or namespace, each.name)
        try:
            scene.put(planned(each.content, scene.objects.get(key), namespace=namespace, now=now))
        except DecodeError as error:
            raise click.ClickException(f"MCPServer {'/'.join(key)} cannot be read: {error}") from error
        applied.add(key)
    missing = {key for key in scene.chosen if prune} - applied
    for key in missing:
        scene.objects[key]["metadata"].setdefault("deletionTimestamp", now)
    scene.chosen = applied | missing


def manifests_in(files: Iterable[str]) -> Iterator[Manifest]:
    """Yield the MCPServers in files, directories (whatever is below them) and "-".

    Raises:
        ClickException: a file cannot be read, or is not YAML.
    """
    for path in manifest_files(files):
        try:
            yield from manifests(text_of(path))
        except (OSError, UnicodeDecodeError, ManifestError) as error:
            raise click.ClickException(f"{name_of(path)} cannot be read: {shown(str(error))}") from error


def future_of(scene: Scene, settings: Settings) -> Future:
    """Return what an operator would do for the objects that a scene is about.

    Raises:
        ClickException: nothing tells whose targets are whose, or AWS cannot be asked at all.
    """
    if not scene.owner and not settings.owner_id:
        raise click.ClickException(
            "Nothing tells which targets are this cluster's: give --owner-id, the same as the operator's, or "
            "the uid of the namespace kube-system, which you may not read here."
        )
    servers = scene.servers
    near = set().union(*(gateways_of(servers[key], settings) for key in scene.chosen))
    about = {key for key, obj in servers.items() if key in scene.chosen or gateways_of(obj, settings) & near}
    return foresee(
        scene.objects.values(),
        config=settings.config,
        aws=reading(settings.aws_region),
        about=about.__contains__,
        owner=scene.owner,
        schema=scene.schema,
    )


def ask_aws(settings: Settings, work: Callable[[ReadOnly], Awaitable[T]]) -> T:
    """Return what `work` makes of a connection to AWS that can only read.

    Raises:
        ClickException: no Region is known, or the network cannot be used as it is configured.
    """
    found: list[T] = []

    async def whole() -> None:
        async with reading(settings.aws_region) as port:
            found.append(await work(port))

    asyncio.run(whole())
    return found[0]


def gateways_of(obj: MCPServer, settings: Settings) -> set[str]:
    """Return the gateways where an object has a target, or may have one, or is to have one."""
    records = (stored_record(obj), *stored_moves(obj))
    found = {record.place.gateway_id for record in records if record is not None}
    noted = obj.metadata.annotations.get(names.GATEWAY_ANNOTATION, "")
    return (found | {obj.spec.gateway or settings.gateway_id, noted}) - {""}


async def _owner(cluster: Cluster) -> str:
    raw = await _maybe(cluster.get(NAMESPACES, None, OWNER_NAMESPACE))
    return str(msgspec.json.decode(raw)["metadata"]["uid"]) if raw else ""


async def _maybe(answer: Any) -> bytes:
    """Return an answer, nothing where it is refused."""
    try:
        return cast(bytes, await answer)
    except ApiError as error:
        if error.forbidden or error.not_found:
            return b""
        refuse(error)


def _loaded(raw: msgspec.Raw) -> Json:
    found: Json = msgspec.json.decode(raw)
    return found


def _key(obj: Json) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
