"""What an operator would find in the cluster, read with the caller's rights, and manifests over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import click
import msgspec

from mcp_gateway_operator.api.annotations import gateway_of
from mcp_gateway_operator.api.codec import DecodeError, decode
from mcp_gateway_operator.api.manifests import Manifest
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.foresee import Key
from mcp_gateway_operator.cli.fleet.paper_cluster import PLANNED, Json, Platform, planned
from mcp_gateway_operator.cli.fleet.reach import Scope, raw_objects, refuse, with_cluster
from mcp_gateway_operator.cli.fleet.whereabouts import Where, at_home, class_at, recorded_at, records_of
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.operator import OWNER_NAMESPACE
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, Cluster

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace, and nobody can change."""
ONE_BY_ONE: Final = 20
"""Namespaces that are read one by one where they cannot be listed."""


class Scene(msgspec.Struct, kw_only=True):
    """What an operator would find.

    Attributes:
        objects: as the API server sends them, by key.
        servers: the same, decoded.
        unread: why some of them are not in `servers`; the operator leaves these alone.
        chosen: the keys that the caller asks about, all of them in `servers`.
        part: the one namespace that was read, where the caller may not read all; "" else.
        platform: what there is of MCPGateways.
    """

    objects: dict[Key, Json] = {}
    servers: dict[Key, MCPServer] = {}
    unread: dict[Key, str] = {}
    chosen: set[Key] = set()
    owner: str = ""
    schema: bytes = b""
    part: str = ""
    platform: Platform = Platform()

    @property
    def classes(self) -> dict[str, MCPGateway]:
        """The MCPGateways by name."""
        found = (decode_gateway(msgspec.json.encode(each)) for each in self.platform.classes)
        return {each.name: each for each in found}

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
            scene.part = where
        asked = {key for key in scene.objects if where in (None, key[0]) and (not wanted or key[1] in wanted)}
        if scope.selector:
            found = raw_objects(cluster, MCPSERVERS, where, labels=scope.selector)
            asked &= {_key(_loaded(raw)) async for raw in found}
        for name in () if may_miss else wanted:
            if not any(key[1] == name for key in asked):
                place = f"namespace {where}" if where else "any namespace"
                raise click.ClickException(
                    f"There is no MCPServer {name!r} in {place}: `mcps status -A` shows all there are."
                )
        scene.chosen = asked & scene.servers.keys()
        await _take_surroundings(scene, cluster, {key[0] for key in asked} | ({where} if where else set()))
        return scene

    scene = with_cluster(scope, work)
    for key, why in scene.unread.items():
        said = f"MCPServer {'/'.join(key)} cannot be read, and the operator leaves it alone: {why}"
        if key[1] in wanted and where in (None, key[0]):
            raise click.ClickException(said)
        say(said, err=True)
    return scene


def whole_scene(scope: Scope, namespaces: tuple[str, ...]) -> Scene:
    """Read what an operator of some namespaces, or of all, would find.

    Raises:
        ClickException: the cluster refuses.
    """

    async def work(cluster: Cluster) -> Scene:
        scene = Scene()
        for each in namespaces or (None,):
            await _take_all(scene, cluster, each)
        scene.chosen = set(scene.servers)
        await _take_surroundings(scene, cluster, set(namespaces))
        return scene

    return with_cluster(scope, work)


async def _take_surroundings(scene: Scene, cluster: Cluster, namespaces: set[str]) -> None:
    scene.owner = await _owner(cluster)
    scene.schema = await _maybe(cluster.get_path(PATH))
    platform = await _platform(cluster, namespaces)
    scene.platform = _with_namespaces(platform, {key[0] for key in scene.objects})


async def _take_all(scene: Scene, cluster: Cluster, namespace: str | None) -> None:
    async for raw in raw_objects(cluster, MCPSERVERS, namespace):
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
    scene.platform = _with_namespaces(scene.platform, {key[0] for key in applied})


async def _platform(cluster: Cluster, namespaces: set[str]) -> Platform:
    """Read the MCPGateways, and the labels of namespaces: of these one by one where they cannot be listed."""
    try:
        classes = [_loaded(raw) async for raw in raw_objects(cluster, MCPGATEWAYS, None)]
    except ApiError as error:
        if error.not_found:
            return Platform()
        if error.forbidden:
            return Platform(unknown="your account may not list MCPGateways")
        refuse(error)
    if not classes:
        return Platform(served=True)
    found: list[Json] = []
    try:
        found = [_namespace(_loaded(raw)) async for raw in raw_objects(cluster, NAMESPACES, None)]
        return Platform(served=True, classes=tuple(classes), namespaces=tuple(found))
    except ApiError as error:
        if not error.forbidden:
            refuse(error)
    for name in sorted(namespaces)[:ONE_BY_ONE]:
        if raw := await _maybe(cluster.get(NAMESPACES, None, name)):
            found.append(_namespace(msgspec.json.decode(raw)))
    return Platform(served=True, classes=tuple(classes), namespaces=tuple(found), hidden=frozenset())


def _namespace(obj: Json) -> Json:
    """Return what counts of a namespace: some carry large annotations."""
    meta = obj["metadata"]
    return {"metadata": {name: meta[name] for name in ("name", "uid", "labels") if name in meta}}


def _with_namespaces(platform: Platform, wanted: set[str]) -> Platform:
    """Add namespaces that are hidden, or to come: each has its name for a label."""
    new = wanted - {each["metadata"]["name"] for each in platform.namespaces}
    added = (*platform.namespaces, *map(_named, sorted(new)))
    hidden = platform.hidden | new if platform.hidden is not None else None
    return msgspec.structs.replace(platform, namespaces=added, hidden=hidden)


def _named(name: str) -> Json:
    return {"metadata": {"name": name, "uid": f"{PLANNED}{name}", "labels": {NAME_LABEL: name}}}


def gateways_of(
    obj: MCPServer, default: str, classes: Mapping[str, MCPGateway], home: Where | None
) -> set[str]:
    """Return the gateways where an object has a target, or may have one, or is to have one, as in `Place`.

    Args:
        obj: the object.
        default: the gateway of objects that name none.
        classes: the MCPGateways by name.
        home: the account and Region in which an id is enough, None where they are not known.
    """
    found = {recorded_at(each, home) for each in records_of(obj)}
    noted = gateway_of(obj.metadata.annotations)
    wanted = class_at(classes.get(obj.spec.class_name), home)
    return (found | {wanted or obj.spec.gateway or default, at_home(noted, home)}) - {""}


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
