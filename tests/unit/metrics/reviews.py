"""An API server that reviews tokens and rights, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec

from mcp_gateway_operator.runtime.access import ACCESS_REVIEWS, TOKEN_REVIEWS
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, Resource

PROMETHEUS = {
    "username": "system:serviceaccount:monitoring:prometheus",
    "uid": "8a7f",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]},
}
STRANGER = {"username": "stranger"}


class Reviewer:
    """Knows the tokens `good` (may read) and `other` (may not)."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {"good": PROMETHEUS, "other": STRANGER}
        self.allowed = {PROMETHEUS["username"]}
        self.asked: list[tuple[Resource, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.seconds = 0.0
        self.running = self.peak = 0

    @property
    def cluster(self) -> Cluster:
        """This, as the part of the port that is used."""
        return cast(Cluster, self)

    def count(self, resource: Resource) -> int:
        """Return how many reviews of a kind were asked for."""
        return sum(each is resource for each, _ in self.asked)

    async def create(self, resource: Resource, namespace: str | None, body: dict[str, Any]) -> bytes:
        """Review."""
        assert namespace is None
        self.asked.append((resource, body["spec"]))
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return msgspec.json.encode({**body, "status": self._status(resource, body["spec"])})

    def _status(self, resource: Resource, spec: dict[str, Any]) -> dict[str, Any]:
        if resource is TOKEN_REVIEWS:
            user = self.users.get(spec["token"])
            if user is None:
                # As kube-apiserver answers to a token that it does not know.
                return {"user": {}, "error": "[invalid bearer token, Token has been invalidated]"}
            return {"authenticated": True, "user": user, "audiences": ["https://kubernetes.default.svc"]}
        assert resource is ACCESS_REVIEWS
        return {"allowed": spec["user"] in self.allowed, "reason": "RBAC"}


def forbidden() -> ApiError:
    """Return what an API server answers when its RBAC does not allow the review itself."""
    return ApiError(403, "Forbidden", "tokenreviews.authentication.k8s.io is forbidden")
