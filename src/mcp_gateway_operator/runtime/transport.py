"""The cluster port over HTTP: our requests over a client made from a kubeconfig or a ServiceAccount."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec
import structlog

from mcp_gateway_operator.runtime.cluster import (
    ApiError,
    Page,
    PatchType,
    Resource,
    WatchEvent,
    refuse_null,
)
from mcp_gateway_operator.runtime.credentials import CredentialsError
from mcp_gateway_operator.runtime.kubeconfig import ClusterConfigError, find, open_client

MAX_LINE = 4 * 1024 * 1024
"""Bytes of one watch event. etcd takes 1.5 MiB for an object by default; a longer line is not an event."""
RELOAD_INTERVAL = 60.0
"""Seconds between two attempts to load changed certificates."""
WATCH_TIMEOUT = httpx2.Timeout(connect=5.0, read=None, write=10.0, pool=10.0)
"""The reader of a watch has a time limit of its own: only it knows how long silence may last."""

OnRequest = Callable[[str, str, str], None]
"""Is told of each request: method, host, and the answer's status code, `<error>` when none came."""

log = structlog.get_logger(__name__)


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta = _ListMeta()
    items: list[msgspec.Raw] | None = None


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float | None = None


class _Status(msgspec.Struct):
    """metav1.Status."""

    reason: str = ""
    message: str = ""
    details: _Details | None = None


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(WatchEvent).decode
_decode_status = msgspec.json.Decoder(_Status).decode


def _untold(_method: str, _host: str, _code: str) -> None:
    """Stand for an `OnRequest` that is not needed."""


def connect(
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    user_agent: str = "",
    on_request: OnRequest = _untold,
) -> KubeCluster:
    """Return a connection of its own to the cluster that the arguments, or the surroundings, name.

    Reads files; nothing is sent yet.

    Raises:
        ClusterConfigError: no cluster is configured, or the configuration cannot be used.
    """
    name = user_agent or Path(sys.argv[0]).name or "python"
    return KubeCluster(
        lambda: open_client(find(kubeconfig=kubeconfig, context=context), user_agent=name),
        field_manager=name,
        on_request=on_request,
    )


class KubeCluster:
    """A `Cluster` over HTTP.

    Args:
        open_client: loads the configuration and makes a client; called again, in a thread, when certificates
            or
            credentials are refused, because they may have been rotated.
        field_manager: the name under which the API server records who wrote which field.
        on_request: told of each request that was sent.
    """

    def __init__(
        self,
        open_client: Callable[[], httpx2.AsyncClient],
        *,
        field_manager: str,
        on_request: OnRequest = _untold,
    ) -> None:
        self._open_client = open_client
        self._client = open_client()
        self._replaced: list[httpx2.AsyncClient] = []
        self._reloaded_at = float("-inf")
        self._manager = {"fieldManager": field_manager[:128]}
        self._on_request = on_request

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        name: str = "",
        limit: int = 500,
        continue_token: str = "",
    ) -> Page:
        """Return one page of a consistent list."""
        params: dict[str, str] = {"limit": str(limit)} if limit else {}
        if name:
            params["fieldSelector"] = f"metadata.name={name}"
        if continue_token:
            params["continue"] = continue_token
        body = await self._request("GET", resource.path(namespace), params=params)
        try:
            answer = _decode_list(body)
        except msgspec.DecodeError as error:
            raise ApiError(0, "BrokenAnswer", f"The list of {resource} is not readable: {error}") from None
        return Page(answer.items or [], answer.metadata.resource_version, answer.metadata.continue_)

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout: float,  # noqa: ASYNC109  -- the server's limit, sent with the request
    ) -> AsyncGenerator[WatchEvent, None]:
        """Stream events with bookmarks."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout))),
        }
        request = self._client.build_request(
            "GET", resource.path(namespace), params=params, timeout=WATCH_TIMEOUT
        )
        response = await self._send(request, stream=True)
        try:
            if response.status_code != HTTPStatus.OK:
                await self._failed(response, await response.aread())
            async for line in _lines(response.aiter_bytes()):
                yield _decode_event(line)
        except httpx2.HTTPError as error:
            raise _no_answer(error) from error
        except msgspec.DecodeError as error:
            raise ApiError(0, "BrokenLine", f"A watch event of {resource} is not readable: {error}") from None
        finally:
            with contextlib.suppress(httpx2.HTTPError):
                await response.aclose()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        """Read one object at an unset resourceVersion."""
        return await self._request("GET", resource.path(namespace, name))

    async def create(self, resource: Resource, namespace: str | None, body: object) -> bytes:
        """Create an object."""
        return await self._request("POST", resource.path(namespace), params=self._manager, body=body)

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
        """Patch an object or its subresource."""
        refuse_null(body, kind)
        params = {**self._manager, "force": "true"} if kind is PatchType.APPLY else self._manager
        path = resource.path(namespace, name, subresource)
        return await self._request("PATCH", path, params=params, body=body, content_type=kind)

    async def replace(self, resource: Resource, namespace: str | None, name: str, body: object) -> bytes:
        """Replace an object."""
        return await self._request("PUT", resource.path(namespace, name), params=self._manager, body=body)

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Delete an object, or this incarnation of it."""
        body = {"preconditions": {"uid": uid}} if uid else None
        await self._request("DELETE", resource.path(namespace, name), body=body)

    async def get_path(self, path: str) -> bytes:
        """Read any other path."""
        return await self._request("GET", path)

    async def close(self) -> None:
        """Close the connections."""
        for client in (*self._replaced, self._client):
            await client.aclose()
        self._replaced.clear()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> bytes:
        content = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": content_type} if body is not None else None
        request = self._client.build_request(method, path, params=params, content=content, headers=headers)
        response = await self._send(request)
        if not response.is_success:
            await self._failed(response, response.content)
        return response.content

    async def _send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        host = request.url.netloc.decode("ascii")
        try:
            response = await self._client.send(request, stream=stream)
        except httpx2.HTTPError as error:
            self._on_request(request.method, host, "<error>")
            if _is_tls(error):
                await self._reload()
            raise _no_answer(error) from error
        except CredentialsError as error:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Credentials", str(error)) from error
        self._on_request(request.method, host, str(response.status_code))
        return response

    async def _failed(self, response: httpx2.Response, content: bytes) -> None:
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            await self._reload()
        raise _error(response, content)

    async def _reload(self) -> None:
        """Load configuration and certificates again: whoever rotates them replaces the files."""
        now = asyncio.get_running_loop().time()
        if now - self._reloaded_at < RELOAD_INTERVAL:
            return
        self._reloaded_at = now
        try:
            client = await asyncio.to_thread(self._open_client)
        except ClusterConfigError as error:
            log.warning("the cluster configuration could not be loaded again", error=str(error))
            return
        # Requests in flight keep the old client; closing it now would cut them off from their answers.
        self._replaced.append(self._client)
        self._client = client
        if len(self._replaced) > 1:
            await self._replaced.pop(0).aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest += first
        if len(rest) > MAX_LINE:
            raise ApiError(0, "LineTooLong", f"A watch event is longer than {MAX_LINE} bytes.")
        for part in others:
            if rest:
                yield bytes(rest)
            rest = bytearray(part)
    if rest:
        # Half a line: the connection ended in the middle of an event.
        raise ApiError(0, "BrokenLine", "The watch ended in the middle of an event.")


def _error(response: httpx2.Response, content: bytes) -> ApiError:
    code = response.status_code
    try:
        status = _decode_status(content)
    except msgspec.DecodeError:
        # A load balancer answered, or the API server's own panic handler: plain text or HTML.
        status = _Status(message=content[:200].decode(errors="replace").strip())
    after = response.headers.get("Retry-After", "")
    retry_after = float(after) if after.isdecimal() else None
    if retry_after is None and status.details is not None:
        retry_after = status.details.retry_after_seconds
    return ApiError(
        code, status.reason or response.reason_phrase, status.message or response.reason_phrase, retry_after
    )


def _no_answer(error: httpx2.HTTPError) -> ApiError:
    kind = type(error).__name__
    return ApiError(0, kind, str(error) or "the API server did not answer")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
