"""The port to a Kubernetes API server: what the machinery and the controllers ask of one.

`transport` implements it over HTTP; tests implement it in memory. Objects cross it as JSON: `msgspec.Raw` or
`bytes` on the way in, anything msgspec can encode on the way out, so that each caller decodes only the fields
it reads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote

import msgspec


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, named as the API server's paths name it; the core group is the empty string."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, of one object, or of a subresource of it.

        A namespace of None means the collection over all namespaces.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/" + "/".join(quote(part, safe="") for part in parts if part)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


LEASES = Resource("coordination.k8s.io", "v1", "leases")
EVENTS = Resource("", "v1", "events")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)


UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON wanted: no UTF-8, and nested too deeply, among them."""

MAX_PAGE: Final = 4 * 1024 * 1024
"""Bytes of a page of a list. etcd takes 1.5 MiB for an object by default, so one always has room."""


class ApiError(Exception):
    """A request that did not succeed.

    Attributes:
        status: the HTTP status code; 0 when no answer came, and then the request may have taken effect.
        reason: the API server's machine-readable reason (`metav1.StatusReason`), or a word of the
            transport's.
        message: one sentence for people.
        retry_after: seconds the server asked to wait, if it did.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(status, reason, message, retry_after)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.reason}: {self.message}"

    @property
    def conflict(self) -> bool:
        """Another writer was faster, or the object exists already."""
        return self.status == HTTPStatus.CONFLICT

    @property
    def not_found(self) -> bool:
        """No such object, namespace or resource type."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def gone(self) -> bool:
        """The resource version or continue token is too old: list again."""
        return self.status == HTTPStatus.GONE or self.reason == "Expired"

    @property
    def forbidden(self) -> bool:
        """The API server's authorisation refuses this request."""
        return self.status == HTTPStatus.FORBIDDEN

    @property
    def invalid(self) -> bool:
        """The object is refused as wrong, or the `test` operation of a JSON patch failed."""
        return self.status == HTTPStatus.UNPROCESSABLE_ENTITY

    @property
    def too_long(self) -> bool:
        """The answer had more bytes than is allowed; of a list, a smaller page may fit."""
        return self.reason == "TooLong"

    @property
    def unavailable(self) -> bool:
        """No answer, too many requests, or a failure of the server: the same request may succeed later."""
        return (
            self.status in (0, HTTPStatus.TOO_MANY_REQUESTS)
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )


class PatchType(StrEnum):
    """Patch formats, as their media types."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


def refuse_null(patch: object, kind: PatchType) -> None:
    """Refuse a patch that would empty a whole part of an object, which no caller means.

    An API server takes a null for a status, and all that it held is lost.

    Raises:
        ValueError: a merge patch has a null for the object or one of its parts, or a JSON patch writes a null
            or removes a part.
    """
    if kind is PatchType.JSON and isinstance(patch, list):
        nulls = any(
            step.get("value") is None if step["op"] in {"add", "replace"} else _removes_part(step)
            for step in patch
        )
    else:
        nulls = patch is None or (isinstance(patch, dict) and None in patch.values())
    if nulls:
        raise ValueError("A patch would empty a whole part of the object, so it was not sent.")


def _removes_part(step: Mapping[str, object]) -> bool:
    return step["op"] == "remove" and str(step["path"]).count("/") <= 1


@dataclass(slots=True)
class Page:
    """One page of a list. `continue_token` is empty on the last page; `size` is in bytes.

    The items are views into the answer's buffer: decode them and let the page go.
    """

    items: list[msgspec.Raw]
    resource_version: str
    continue_token: str
    size: int


@dataclass(slots=True)
class WatchEvent:
    """One event of a watch: ADDED, MODIFIED, DELETED, BOOKMARK, or ERROR with a `Status` as its object."""

    type: str
    object: msgspec.Raw


class Cluster(Protocol):
    """An API server. Every method raises `ApiError` and nothing else (cancellation aside); none retries."""

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        name: str = "",
        labels: str = "",
        limit: int = 500,
        continue_token: str = "",
    ) -> Page:
        """Return one page of a consistent list (unset resourceVersion); a `limit` of 0 means no pages.

        With a name the list has only objects of that name, and RBAC may allow it for that name alone. With
        `labels`, a label selector as kubectl's `-l` takes it, it has only objects that it selects.

        A page of more than MAX_PAGE bytes is a `too_long` error; the token stays good for a smaller one.
        """

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout: float,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Stream what happens after `resource_version`, with bookmarks, for `timeout` seconds at most.

        `on_open` is called when the server has taken the request: the first event may be long in coming.
        """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        """Read one object at an unset resourceVersion, which is a quorum read."""

    async def create(self, resource: Resource, namespace: str | None, body: object) -> bytes:
        """Create an object; return it as stored."""

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: object,
        *,
        kind: PatchType,
        subresource: str = "",
    ) -> bytes:
        """Patch an object or its subresource; return it as stored."""

    async def replace(self, resource: Resource, namespace: str | None, name: str, body: object) -> bytes:
        """Replace an object (PUT); a metadata.resourceVersion in the body guards against other writers."""

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Delete an object; with a uid, only that incarnation of it (409 otherwise)."""

    async def get_path(self, path: str) -> bytes:
        """Read any other path: /version, /readyz, /openapi/v3/..."""

    async def close(self) -> None:
        """Close the connections."""
