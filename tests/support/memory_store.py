"""The storage half of an API server in memory: objects, versions, history; no requests and no waiting.

Follows what kube-apiserver does, and the conformance suite holds it to that: one revision counter over
everything, generation counts changes of the specification, status has a subresource of its own, finalizers
delay deletion, a write that changes nothing writes nothing.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from mcp_gateway_operator.runtime.cluster import EVENTS, LEASES, NAMESPACES, ApiError, PatchType, Resource
from tests.support.patches import PatchError, json_patch, merge

Json = dict[str, Any]
Key = tuple[str, str]

NOT_TAKEN_FROM_WRITER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the server knows of a resource."""

    resource: Resource
    kind: str
    status_subresource: bool = False
    generation: bool = False
    validate: Callable[[Json], str | None] | None = None
    """Returns why an object is refused (422), or None."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history that watches read."""

    revision: int
    type: str
    resource: Resource
    namespace: str
    name: str
    body: bytes


@dataclass(slots=True)
class Snapshot:
    """A backup of etcd."""

    revision: int
    objects: dict[Resource, dict[Key, bytes]] = field(repr=False)


class Store:
    """Objects of all served resources.

    Args:
        wall: for creation and deletion timestamps.
        history: how many changes a watch may go back, before the server answers 410.
    """

    def __init__(self, *, wall: Callable[[], datetime], history: int = 1000) -> None:
        self._wall = wall
        self._limit = history
        self._uids = 0
        self.revision = 100
        self.compacted = 100
        self.kinds: dict[Resource, Kind] = {}
        self.objects: dict[Resource, dict[Key, bytes]] = {}
        self.history: list[Change] = []
        self.on_change: Callable[[], None] = lambda: None
        for kind in (Kind(NAMESPACES, "Namespace"), Kind(LEASES, "Lease"), Kind(EVENTS, "Event")):
            self.serve(kind)
        for name in ("default", "kube-system"):
            self.create(NAMESPACES, None, {"metadata": {"name": name}})

    def serve(self, kind: Kind) -> None:
        """Serve a resource, as applying its CRD does; objects it already has stay."""
        self.kinds[kind.resource] = kind
        self.objects.setdefault(kind.resource, {})

    def stop_serving(self, resource: Resource) -> None:
        """Delete a CRD: its objects go with it."""
        for key in list(self.objects[resource]):
            self._remove(resource, key, self._load(resource, key))
        del self.kinds[resource], self.objects[resource]

    def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        """Return one object as stored."""
        self.kind(resource)
        body = self.objects[resource].get((namespace or "", name))
        if body is None:
            raise ApiError(404, "NotFound", f'{resource} "{name}" not found')
        return body

    def select(self, resource: Resource, namespace: str | None) -> list[tuple[Key, bytes]]:
        """Return the objects of a namespace (None: of all) in the order of a list."""
        self.kind(resource)
        return sorted(
            (key, body) for key, body in self.objects[resource].items() if namespace in (None, key[0])
        )

    def create(self, resource: Resource, namespace: str | None, body: object) -> bytes:
        """Create an object."""
        kind = self.kind(resource)
        obj = _copy(body)
        meta = obj.setdefault("metadata", {})
        name = meta.get("name")
        if not name:
            raise ApiError(422, "Invalid", "metadata.name: Required value: name or generateName is required")
        if meta.get("resourceVersion"):
            raise ApiError(500, "InternalError", "resourceVersion should not be set on objects to be created")
        if resource.namespaced:
            self._check_namespace(namespace or "", creating=f'{resource} "{name}"')
            if meta.setdefault("namespace", namespace) != namespace:
                raise ApiError(400, "BadRequest", "the namespace of the object does not match the request")
        key = (namespace or "" if resource.namespaced else "", name)
        if key in self.objects[resource]:
            raise ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists')
        for unwanted in NOT_TAKEN_FROM_WRITER:
            meta.pop(unwanted, None)
        if kind.status_subresource:
            obj.pop("status", None)
        self._validate(kind, obj)
        self._uids += 1
        meta["uid"] = str(uuid.UUID(int=self._uids))
        meta["creationTimestamp"] = self._stamp()
        if kind.generation:
            meta["generation"] = 1
        group = f"{resource.group}/{resource.version}" if resource.group else resource.version
        obj = {"apiVersion": group, "kind": kind.kind, **obj}
        return self._commit("ADDED", resource, key, obj)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: object,
        *,
        kind: PatchType,
        subresource: str = "",
    ) -> bytes:
        """Patch an object or its status."""
        if kind is PatchType.APPLY and (namespace or "", name) not in self.objects.get(resource, {}):
            return self.create(resource, namespace, body)
        key, current = (namespace or "", name), msgspec.json.decode(self.get(resource, namespace, name))
        patch = msgspec.json.decode(msgspec.json.encode(body))
        if kind is not PatchType.JSON:
            wanted = merge(current, patch)
        else:
            try:
                wanted = json_patch(current, patch)
            except PatchError as error:
                raise ApiError(
                    422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
                ) from None
        # The uid of a patch is not looked at, unlike that of a replacement.
        wanted["metadata"]["uid"] = current["metadata"]["uid"]
        return self._update(resource, key, current, wanted, subresource)

    def replace(
        self, resource: Resource, namespace: str | None, name: str, body: object, *, subresource: str = ""
    ) -> bytes:
        """Replace an object or its status."""
        key, current = (namespace or "", name), msgspec.json.decode(self.get(resource, namespace, name))
        wanted = _copy(body)
        uid = wanted.setdefault("metadata", {}).get("uid")
        if uid and uid != current["metadata"]["uid"]:
            raise ApiError(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        return self._update(resource, key, current, wanted, subresource)

    def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Delete an object, or mark it deleted while it has finalizers."""
        obj = msgspec.json.decode(self.get(resource, namespace, name))
        meta = obj["metadata"]
        if uid and uid != meta["uid"]:
            raise ApiError(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        key = (namespace or "", name)
        if not meta.get("finalizers"):
            self._remove(resource, key, obj)
        elif "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = self._stamp()
            meta["deletionGracePeriodSeconds"] = 0
            if "generation" in meta:
                meta["generation"] += 1
            self._commit("MODIFIED", resource, key, obj)

    def terminate_namespace(self, name: str) -> None:
        """Let a namespace be in deletion: it takes no new objects."""
        obj = self._load(NAMESPACES, ("", name))
        obj["metadata"]["deletionTimestamp"] = self._stamp()
        obj["status"] = {"phase": "Terminating"}
        self._commit("MODIFIED", NAMESPACES, ("", name), obj)

    def compact(self) -> None:
        """Forget the history: watches and continue tokens of older versions answer 410."""
        self.history.clear()
        self.compacted = self.revision

    def snapshot(self) -> Snapshot:
        """Return a backup."""
        return Snapshot(
            self.revision, {resource: dict(objects) for resource, objects in self.objects.items()}
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a backup; revisions are given out again from there."""
        self.revision = self.compacted = snapshot.revision
        self.objects = {resource: dict(objects) for resource, objects in snapshot.objects.items()}
        self.history.clear()

    def changes_since(self, revision: int) -> Iterable[Change]:
        """Return the history after `revision`."""
        start = len(self.history)
        while start and self.history[start - 1].revision > revision:
            start -= 1
        return self.history[start:]

    def _update(self, resource: Resource, key: Key, current: Json, wanted: Json, subresource: str) -> bytes:
        kind = self.kind(resource)
        old, meta = current["metadata"], wanted["metadata"]
        version = meta.get("resourceVersion")
        if version and version != old["resourceVersion"]:
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {resource} "{key[1]}": the object has been modified; '
                "please apply your changes to the latest version and try again",
            )
        new = _status_apart(kind, current, wanted, subresource)
        new["metadata"] = meta = _kept_metadata(old, dict(old) if subresource else dict(meta))
        if "deletionTimestamp" in old and not set(meta.get("finalizers", ())) <= set(
            old.get("finalizers", ())
        ):
            raise ApiError(422, "Invalid", "no new finalizers can be added if the object is being deleted")
        if new == current:
            return self.objects[resource][key]
        self._validate(kind, new)
        if kind.generation and _specification(new, kind) != _specification(current, kind):
            meta["generation"] = old["generation"] + 1
        if "deletionTimestamp" in old and not meta.get("finalizers"):
            self._remove(resource, key, new)
            return msgspec.json.encode(new)
        return self._commit("MODIFIED", resource, key, new)

    def _commit(self, type_: str, resource: Resource, key: Key, obj: Json) -> bytes:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        body = msgspec.json.encode(obj)
        if type_ == "DELETED":
            del self.objects[resource][key]
        else:
            self.objects[resource][key] = body
        self.history.append(Change(self.revision, type_, resource, *key, body))
        if len(self.history) > 2 * self._limit:
            self.compacted = self.history[-self._limit - 1].revision
            del self.history[: -self._limit]
        self.on_change()
        return body

    def _remove(self, resource: Resource, key: Key, obj: Json) -> None:
        self._commit("DELETED", resource, key, copy.deepcopy(obj))

    def _load(self, resource: Resource, key: Key) -> Json:
        obj: Json = msgspec.json.decode(self.objects[resource][key])
        return obj

    def kind(self, resource: Resource) -> Kind:
        """Return what is known of a resource, or raise 404."""
        kind = self.kinds.get(resource)
        if kind is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return kind

    def _check_namespace(self, namespace: str, *, creating: str) -> None:
        body = self.objects[NAMESPACES].get(("", namespace))
        if body is None:
            raise ApiError(404, "NotFound", f'namespaces "{namespace}" not found')
        if "deletionTimestamp" in msgspec.json.decode(body)["metadata"]:
            raise ApiError(
                403,
                "Forbidden",
                f"{creating} is forbidden: unable to create new content in namespace {namespace} "
                "because it is being terminated",
            )

    def _validate(self, kind: Kind, obj: Json) -> None:
        problem = kind.validate(obj) if kind.validate else None
        if problem:
            name = obj["metadata"]["name"]
            raise ApiError(
                422, "Invalid", f'{kind.kind}.{kind.resource.group} "{name}" is invalid: {problem}'
            )

    def _stamp(self) -> str:
        return self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")


def _copy(body: object) -> Json:
    obj: Json = msgspec.json.decode(msgspec.json.encode(body))
    return obj


def _specification(obj: Json, kind: Kind) -> Json:
    ignored = {"metadata", "status"} if kind.status_subresource else {"metadata"}
    return {name: value for name, value in obj.items() if name not in ignored}


def _status_apart(kind: Kind, current: Json, wanted: Json, subresource: str) -> Json:
    """Take the status, or everything else, from what the writer sent; the rest stays as it is."""
    if subresource not in ("", "status") or (subresource and not kind.status_subresource):
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    if not kind.status_subresource:
        return dict(wanted)
    rest, status = (current, wanted) if subresource else (wanted, current)
    new = {name: value for name, value in rest.items() if name != "status"}
    if "status" in status:
        new["status"] = status["status"]
    return new


def _kept_metadata(old: Json, meta: Json) -> Json:
    """Put back what a writer cannot change, and drop what is empty."""
    for name in (*NOT_TAKEN_FROM_WRITER, "name", "namespace", "resourceVersion"):
        meta.pop(name, None)
        if name in old:
            meta[name] = old[name]
    for name in ("finalizers", "labels", "annotations"):
        if not meta.get(name):
            meta.pop(name, None)
    return meta
