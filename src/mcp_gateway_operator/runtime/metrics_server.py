"""Serves /metrics: plain, or over TLS to callers that Kubernetes knows and allows."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mcp_gateway_operator.runtime.access import AccessGuard
from mcp_gateway_operator.runtime.certificates import Certificate, PairFiles
from mcp_gateway_operator.runtime.http import ASGIApp, BindAddress, HttpServer

PATH: Final = "/metrics"
MAX_SCRAPES: Final = 8
"""Answers being made at a time; requests above this are told to come back."""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class MetricsEndpoint:
    """The ASGI application that answers on `/metrics` and nowhere else.

    Args:
        controller: metrics that are read on the event loop, where what they read lives.
        process: metrics that read files or take long, collected in a thread.
        guard: who decides about callers; None lets everybody read.
    """

    def __init__(
        self, controller: CollectorRegistry, process: CollectorRegistry, guard: AccessGuard | None
    ) -> None:
        self._controller = controller
        self._process = process
        self._guard = guard
        self._under_way = 0

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Send,
    ) -> None:
        """Answer one request (ASGI)."""
        assert scope["type"] == "http", "the servers pass on nothing else"
        if scope["path"] != PATH:
            await _say(send, scope, HTTPStatus.NOT_FOUND, "404 page not found")
        elif scope["method"] not in ("GET", "HEAD"):
            allow = {"allow": "GET, HEAD"}
            await _say(send, scope, HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed", allow)
        elif self._under_way >= MAX_SCRAPES:
            await _say(send, scope, HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at a time")
        else:
            self._under_way += 1
            try:
                await self._answer(scope, send)
            finally:
                self._under_way -= 1

    async def _answer(self, scope: MutableMapping[str, Any], send: Send) -> None:
        headers = _Headers(scope)
        if self._guard is not None:
            verdict = await self._guard.check(headers.get("authorization"))
            if not verdict.allowed:
                unknown = verdict.status is HTTPStatus.UNAUTHORIZED
                more = {"www-authenticate": "Bearer"} if unknown else {}
                await _say(send, scope, verdict.status, verdict.message, more)
                return
        # What these read changes on this thread only; turning 500 lines into text can be done elsewhere.
        families = list(self._controller.collect())
        zipped = "gzip" in headers.get("accept-encoding")
        body, content_type = await asyncio.to_thread(
            self._encode, families, headers.get("accept"), zipped=zipped
        )
        more = {"content-type": content_type, "vary": "accept-encoding"}
        if zipped:
            more["content-encoding"] = "gzip"
        await _send(send, scope, HTTPStatus.OK, body, more)

    def _encode(self, families: list[Metric], accept: str, *, zipped: bool) -> tuple[bytes, str]:
        everything = _Collected([*families, *self._process.collect()])
        try:
            encoder, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # A version that the library cannot compare: the format that everybody reads.
            encoder, content_type = choose_encoder("")
        body = encoder(everything)
        return (gzip.compress(body, compresslevel=5) if zipped else body), content_type


class MetricsServer:
    """Serves an application with bounds on requests, and keeps its certificate fresh.

    Make it before the event loop is busy: it reads files and loads the server.

    Args:
        app: the application, usually a `MetricsEndpoint`.
        address: where to listen.
        certificate: None for plain HTTP.
    """

    def __init__(self, app: ASGIApp, address: BindAddress, *, certificate: Certificate | None = None) -> None:
        self._certificate = certificate
        self.server = HttpServer(app, address, tls=certificate.context if certificate else None)

    async def run(self) -> None:
        """Serve until `close` or cancellation.

        Raises:
            ServerError: the address cannot be bound.
        """
        watch = asyncio.create_task(self._certificate.watch()) if self._certificate else None
        try:
            await self.server.run()
        finally:
            if watch is not None:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch

    def close(self) -> None:
        """Stop serving; `run` then returns."""
        self.server.close()


def open_certificate(files: PairFiles | None) -> Certificate:
    """Return the certificate of files, or a self-signed one.

    Raises:
        ServerError: the files cannot be used.
    """
    return Certificate.from_files(files) if files else Certificate.self_signed()


class _Collected(Collector):
    """What was collected before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Headers:
    """Request headers by lower-case name; of several with one name the first counts."""

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self._values: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name, value)

    def get(self, name: str) -> str:
        return self._values.get(name.encode(), b"").decode("latin-1")


async def _say(
    send: Send,
    scope: MutableMapping[str, Any],
    status: HTTPStatus,
    text: str,
    more: dict[str, str] | None = None,
) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", **(more or {})}
    await _send(send, scope, status, f"{text}\n".encode(), headers)


async def _send(
    send: Send, scope: MutableMapping[str, Any], status: HTTPStatus, body: bytes, headers: dict[str, str]
) -> None:
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    encoded.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
