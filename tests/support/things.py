"""A custom resource for tests, and what the machinery needs to know of it."""

from __future__ import annotations

from typing import Any

import msgspec

from mcp_gateway_operator.runtime.cluster import Resource

THINGS = Resource("test.example.com", "v1", "things")


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """Metadata as the tests read it."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class Spec(msgspec.Struct, frozen=True):
    """What a thing is wanted to be."""

    size: int = 0


class Thing(msgspec.Struct, frozen=True):
    """One thing."""

    metadata: Meta
    spec: Spec = Spec()
    status: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.metadata.namespace, self.metadata.name)


decode_thing = msgspec.json.Decoder(Thing).decode


def thing(name: str, *, size: int = 0, finalizers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a thing as a user writes it."""
    meta: dict[str, Any] = {"name": name}
    if finalizers:
        meta["finalizers"] = list(finalizers)
    return {"apiVersion": "test.example.com/v1", "kind": "Thing", "metadata": meta, "spec": {"size": size}}
