"""The cluster port over HTTP: our requests on connections made from a kubeconfig or a ServiceAccount."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
import structlog

from mcp_gateway_operator.runtime.answers import Answers
from mcp_gateway_operator.runtime.channel import Channel, NoAnswerError
from mcp_gateway_operator.runtime.cluster import (
    MAX_PAGE,
    UNREADABLE,
    ApiError,
    Page,
    PatchType,
    Resource,
    WatchEvent,
    refuse_null,
)
from mcp_gateway_operator.runtime.connections import Connections
from mcp_gateway_operator.runtime.credentials import CredentialsError
from mcp_gateway_operator.runtime.kubeconfig import ClusterConfigError, find
from mcp_gateway_operator.runtime.login import Login, log_in

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer; the API server's own metrics have some ten million."""
MAX_ERROR: Final = 64 * 1024
"""Bytes that are read of an answer that says what went wrong."""
ANSWER_SECONDS: Final = 30.0
"""From asking for a connection to the end of an answer. Watches have no end that is known here: only their
readers know how long silence may last."""
RELOAD_INTERVAL: Final = 60.0
"""Seconds between two attempts to load changed certificates."""

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
        lambda: log_in(find(kubeconfig=kubeconfig, context=context), os.environ),
        name=name,
        on_request=on_request,
    )


class KubeCluster:
    """A `Cluster` over HTTP.

    Args:
        load: reads the configuration; called again, in a thread, when certificates or credentials are
            refused, because they may have been rotated.
        name: of this program, for the API server: the agent, and the manager of the fields it writes.
        on_request: told of each request that was sent.
    """

    def __init__(self, load: Callable[[], Login], *, name: str, on_request: OnRequest = _untold) -> None:
        self._load = load
        self._login = load()
        self._connections = Connections(self._login.server)
        self._reloaded_at = float("-inf")
        self._answers = Answers()
        # Compressing lists costs the API server and us more CPU than a cluster's network saves.
        self._headers = (
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", name),
        )
        self._manager = {"fieldManager": name[:128]}
        self._on_request = on_request

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
        """Return one page of a consistent list."""
        params: dict[str, str] = {"limit": str(limit)} if limit else {}
        if labels:
            params["labelSelector"] = labels
        if name:
            params["fieldSelector"] = f"metadata.name={name}"
        if continue_token:
            params["continue"] = continue_token
        body = await self._request("GET", resource.path(namespace), params=params, limit=MAX_PAGE)
        try:
            answer = _decode_list(body)
        except UNREADABLE as error:
            raise ApiError(0, "BrokenAnswer", f"The list of {resource} is not readable: {error}") from None
        metadata = answer.metadata
        return Page(answer.items or [], metadata.resource_version, metadata.continue_, len(body))

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout: float,  # noqa: ASYNC109  -- the server's limit, sent with the request
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Stream events with bookmarks."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout))),
        }
        async with self._ask("GET", resource.path(namespace), params) as channel:
            if channel.status != HTTPStatus.OK:
                raise await self._failure(channel)
            on_open()
            async with contextlib.aclosing(self._answers.lines(channel)) as lines:
                async for line in lines:
                    try:
                        yield _decode_event(line)
                    except UNREADABLE as error:
                        raise ApiError(
                            0, "BrokenLine", f"A watch event of {resource} is not readable: {error}"
                        ) from None

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
        return await self._request("GET", path, limit=MAX_ANSWER)

    async def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        limit: int | None = None,
    ) -> bytes:
        """Return an answer; of `limit` bytes at most, and else of as many as one object may have."""
        content = msgspec.json.encode(body) if body is not None else b""
        headers = (("Content-Type", content_type),) if body is not None else ()
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._ask(method, path, params, headers=headers, body=content) as channel,
            ):
                if not HTTPStatus.OK <= channel.status < HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._failure(channel)
                return await self._answers.whole(channel, limit or MAX_PAGE)
        except TimeoutError as error:
            raise ApiError(0, "Timeout", f"no answer within {ANSWER_SECONDS:g} s") from error

    @contextlib.asynccontextmanager
    async def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> AsyncIterator[Channel]:
        """Send a request, once more where a token was refused and there is another, and give its answer.

        Raises:
            ApiError: no answer, or one that cannot be read while the context lasts.
        """
        login = self._login
        path = f"{login.prefix}{path}?{urlencode(params, quote_via=quote)}" if params else login.prefix + path
        headers = (*self._headers, *login.headers, *headers)
        code = refused = ""
        try:
            authorization = await login.credentials.authorization()
            while True:
                code = "<error>"
                sent = (*headers, ("Authorization", authorization)) if authorization else headers
                async with self._connections.exchange(method, path, sent, body) as channel:
                    await channel.head()
                    code = ""
                    # Once: a plugin may have a new token every time, for a user whom nobody here knows.
                    if channel.status == HTTPStatus.UNAUTHORIZED and authorization and not refused:
                        refused = authorization
                        authorization = await login.credentials.authorization(refused=refused)
                        if authorization != refused:
                            continue
                    self._on_request(method, login.server.authority, str(channel.status))
                    yield channel
                    return
        except CredentialsError as error:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Credentials", str(error)) from error
        except NoAnswerError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                await self._reload()
            raise ApiError(0, error.reason, str(error)) from error
        finally:
            if code:
                self._on_request(method, login.server.authority, code)

    async def _failure(self, channel: Channel) -> ApiError:
        try:
            content = await self._answers.whole(channel, MAX_ERROR)
        except NoAnswerError:
            # The status says enough.
            content = b""
        if channel.status == HTTPStatus.UNAUTHORIZED:
            await self._reload()
        return _error(channel, content)

    async def _reload(self) -> None:
        """Load configuration and certificates again: whoever rotates them replaces the files."""
        now = asyncio.get_running_loop().time()
        if now - self._reloaded_at < RELOAD_INTERVAL:
            return
        self._reloaded_at = now
        try:
            login = await asyncio.to_thread(self._load)
        except ClusterConfigError as error:
            log.warning("the cluster configuration could not be loaded again", error=str(error))
            return
        # Requests in flight keep their connections until their answers are there.
        self._connections.retire()
        self._login, self._connections = login, Connections(login.server)


def _error(channel: Channel, content: bytes) -> ApiError:
    code, phrase = channel.status, channel.phrase
    if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
        to = channel.headers.get("location", "nowhere")
        return ApiError(
            code,
            "Redirected",
            f"the server sends us on to {to!r}, where our credentials do not go: the kubeconfig must name "
            "the API server itself",
        )
    try:
        status = _decode_status(content)
    except UNREADABLE:
        # A load balancer answered, or the API server's own panic handler: plain text or HTML.
        status = _Status(message=content[:200].decode(errors="replace").strip())
    after = channel.headers.get("retry-after", "")
    retry_after = float(after) if after.isdecimal() else None
    if retry_after is None and status.details is not None:
        retry_after = status.details.retry_after_seconds
    return ApiError(code, status.reason or phrase, status.message or phrase, retry_after)
