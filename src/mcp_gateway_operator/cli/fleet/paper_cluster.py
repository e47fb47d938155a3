"""MCPServers on paper: a copy of the cluster's, which an operator may write as it likes."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import DISCOVERY
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, Page, PatchType, Resource, WatchEvent

Json = dict[str, Any]
Key = tuple[str, str]

PLANNED: Final = "planned-"
"""Begins the uid of an object that is on paper alone."""
BOOKMARKS: Final = 60.0
"""Seconds between two bookmarks of a watch, as kube-apiserver sends them."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of MCPGateways.

    Attributes:
        served: the API server knows the kind.
        classes: all of them, as the API server sends them.
        namespaces: with their labels, as far as they may be read.
        unknown: why it is not known which there are, "" where it is.
        hidden: of which namespaces nothing but the name is known; None where all of them were read.
    """

    served: bool = False
    classes: tuple[Json, ...] = ()
    namespaces: tuple[Json, ...] = ()
    unknown: str = ""
    hidden: frozenset[str] | None = None


class PaperCluster:
    """As much of an API server as an operator needs, in memory; what it writes is seen by nobody else.

    Args:
        objects: MCPServers as the API server sends them.
        owner: uid of the namespace kube-system, "" where the caller may not read it.
        schema: what the API server says of the kind, b"" where it does not.
        platform: the MCPGateways, and the labels of namespaces.
    """

    def __init__(
        self, objects: Iterable[Json], *, owner: str, schema: bytes, platform: Platform | None = None
    ) -> None:
        platform = platform or Platform()
        kinds = ((MCPSERVERS, objects), (MCPGATEWAYS, platform.classes), (NAMESPACES, platform.namespaces))
        self._kinds = {resource: {_key(each): each for each in found} for resource, found in kinds}
        self._served = platform.served
        self._owner = owner
        self._schema = schema
        self._version = 1_000_000
        self._watches: list[tuple[Resource, asyncio.Queue[WatchEvent]]] = []
        for found in self._kinds.values():
            for each in found.values():
                each["metadata"]["resourceVersion"] = "1"

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        name: str = "",
        labels: str = "",  # noqa: ARG002  -- an operator selects by none
        limit: int = 500,  # noqa: ARG002  -- there is one page
        continue_token: str = "",  # noqa: ARG002  -- there is one page
    ) -> Page:
        """Return all objects in one page."""
        found = [
            msgspec.Raw(msgspec.json.encode(obj))
            for (where, title), obj in self._kinds.get(resource, {}).items()
            if namespace in (None, where) and name in ("", title)
        ]
        return Page(found, str(self._version), "", size=0)

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,  # noqa: ARG002  -- who watches some ignores the others
        resource_version: str,  # noqa: ARG002  -- a watch begins right behind its list
        timeout: float,  # noqa: ASYNC109  -- the port's signature
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Stream what is written from now on."""
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        watch = (resource, queue)
        self._watches.append(watch)
        on_open()
        end = asyncio.get_running_loop().time() + timeout
        try:
            while (left := end - asyncio.get_running_loop().time()) > 0:
                try:
                    async with asyncio.timeout(min(left, BOOKMARKS)):
                        event = await queue.get()
                except TimeoutError:
                    bookmark = {"metadata": {"resourceVersion": str(self._version)}}
                    event = WatchEvent("BOOKMARK", msgspec.Raw(msgspec.json.encode(bookmark)))
                yield event
        finally:
            self._watches.remove(watch)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        """Return one object."""
        if resource == NAMESPACES and self._owner:
            return msgspec.json.encode({"metadata": {"uid": self._owner}})
        if resource == NAMESPACES:
            raise ApiError(HTTPStatus.FORBIDDEN, "Forbidden", "not to be read")
        return msgspec.json.encode(self._find(resource, namespace, name))

    async def create(
        self,
        resource: Resource,
        namespace: str | None,  # noqa: ARG002  -- nothing is kept
        body: object,
    ) -> bytes:
        """Take what is not kept: Events."""
        assert resource not in self._kinds
        return msgspec.json.encode(body)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: object,
        *,
        kind: PatchType,
        subresource: str = "",  # noqa: ARG002  -- what is written is told by the patch itself
    ) -> bytes:
        """Patch one object as an operator does: its metadata, or its whole status behind tests."""
        if resource not in self._kinds:
            return msgspec.json.encode(body)
        old = self._find(resource, namespace, name)
        patch = msgspec.json.decode(msgspec.json.encode(body))
        # What was there stays as it is: nothing below these two is changed in place.
        new = {**old, "metadata": {**old["metadata"]}}
        if kind is PatchType.JSON:
            _replace_status(new, patch)
        else:
            _merge(new, patch)
        if old["metadata"]["resourceVersion"] != new["metadata"]["resourceVersion"]:
            raise ApiError(HTTPStatus.CONFLICT, "Conflict", "the object has been modified")
        return self._store(resource, new)

    async def replace(self, resource: Resource, namespace: str | None, name: str, body: object) -> bytes:
        """Fail: the passes of an operator replace nothing, Leases are not on paper."""
        raise AssertionError(f"replace {resource} {namespace}/{name} with {body!r}")

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Fail: an operator takes finalizers off, and leaves the deletion to others."""
        raise AssertionError(f"delete {resource} {namespace}/{name} {uid}")

    async def get_path(self, path: str) -> bytes:
        """Return what the API server says of the kinds."""
        if path == DISCOVERY:
            found = [names.PLURAL, *((names.CLASS_PLURAL,) if self._served else ())]
            return msgspec.json.encode({"resources": [{"name": each} for each in found]})
        if not self._schema:
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", "not known")
        return self._schema

    async def close(self) -> None:
        """Do nothing."""

    def _find(self, resource: Resource, namespace: str | None, name: str) -> Json:
        found = self._kinds[resource].get((namespace or "", name))
        if found is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", f"{name} not found")
        return found

    def _store(self, resource: Resource, obj: Json) -> bytes:
        meta, key = obj["metadata"], _key(obj)
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        gone = meta.get("deletionTimestamp") and not meta.get("finalizers")
        if gone:
            del self._kinds[resource][key]
        else:
            self._kinds[resource][key] = obj
        body = msgspec.json.encode(obj)
        if resource != MCPSERVERS or gone:
            # Of an MCPServer that stays, the answer tells its only writer all that the event would.
            for queue in (queue for watched, queue in self._watches if watched == resource):
                queue.put_nowait(WatchEvent("DELETED" if gone else "MODIFIED", msgspec.Raw(body)))
        return body


def _key(obj: Json) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _merge(into: Json, patch: Json) -> None:
    """Apply a merge patch (RFC 7386) in place."""
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            into[name] = {**into.get(name, {})}
            _merge(into[name], value)
        else:
            into[name] = value


def _replace_status(obj: Json, operations: list[Json]) -> None:
    """Apply a JSON patch in place that replaces the status, behind tests of the metadata."""
    for each in operations:
        part, *rest = each["path"].strip("/").split("/")
        if each["op"] == "test" and obj[part].get("/".join(rest)) != each["value"]:
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", f"testing {each['path']} failed")
        if each["op"] == "add":
            obj[part] = each["value"]


def planned(manifest: Json, present: Json | None, *, namespace: str, now: str) -> Json:
    """Return the object that applying a manifest makes.

    Args:
        manifest: what is applied.
        present: what is there under its name.
        namespace: where the manifest names none.
        now: RFC 3339.
    """
    meta = manifest.get("metadata") or {}
    spec = manifest.get("spec") or {}
    annotations = {**(meta.get("annotations") or {})}
    if present is None:
        where = meta.get("namespace") or namespace
        made = {"uid": f"{PLANNED}{where}-{meta['name']}", "generation": 1, "creationTimestamp": now}
        body = {**made, "name": meta["name"], "namespace": where, "annotations": annotations}
        return {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": body,
            "spec": spec,
        }
    result = copy.deepcopy(present)
    kept = result["metadata"]
    kept["annotations"] = {**(kept.get("annotations") or {}), **annotations}
    if spec != present.get("spec"):
        result["spec"] = spec
        kept["generation"] = kept.get("generation", 0) + 1
    return result
