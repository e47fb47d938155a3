"""Serves /metrics: plain, or over TLS to callers that Kubernetes knows and allows."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mcp_gateway_operator.runtime.access import AccessGuard
from mcp_gateway_operator.runtime.certificates import Certificate, PairFiles
from mcp_gateway_operator.runtime.http import BindAddress, HttpServer
from mcp_gateway_operator.runtime.http1 import Answer, Handler, Request

PATH: Final = "/metrics"
OBJECTS: Final = "/debug/objects/"
"""What comes behind is NAMESPACE/NAME. Callers have to be allowed to get this path as it stands here."""
LARGEST: Final = 16_384
"""Bytes of an answer about one object."""
Explain = Callable[[str, str], bytes | None]
"""Returns what there is to say of an object by namespace and name, as JSON; None where nobody knows it."""
MAX_SCRAPES: Final = 8
"""Answers being made at a time; requests above this are told to come back."""
_HINTS: Final[Mapping[HTTPStatus, dict[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"www_authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"retry_after": "10"},
}


class MetricsEndpoint:
    """The handler that answers on `/metrics`, and to those who may on `/debug/objects/NAMESPACE/NAME`.

    Args:
        controller: metrics that are read on the event loop, where what they read lives.
        process: metrics that read files or take long, collected in a thread.
        guard: who decides about callers; None lets everybody read.
        objects: who decides about callers that ask for an object, and what is said of it; None for nothing.
    """

    def __init__(
        self,
        controller: CollectorRegistry,
        process: CollectorRegistry,
        guard: AccessGuard | None,
        objects: tuple[AccessGuard, Explain] | None = None,
    ) -> None:
        self._objects = objects
        self._controller = controller
        self._process = process
        self._guard = guard
        self._under_way = 0

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        about_object = self._objects is not None and request.path.startswith(OBJECTS)
        if request.path != PATH and not about_object:
            return Answer.text(HTTPStatus.NOT_FOUND, "404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            return Answer.text(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed\n", allow="GET, HEAD")
        guard = self._objects[0] if about_object and self._objects is not None else self._guard
        if guard is not None:
            verdict = await guard.check(request.headers.get("authorization", ""), request.caller)
            if not verdict.allowed:
                return Answer.text(verdict.status, f"{verdict.message}\n", **_HINTS.get(verdict.status, {}))
        if about_object and self._objects is not None:
            return _explained(request.path.removeprefix(OBJECTS), self._objects[1])
        if self._under_way >= MAX_SCRAPES:
            return Answer.text(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at a time\n")
        self._under_way += 1
        try:
            return await self._metrics(request)
        finally:
            self._under_way -= 1

    async def _metrics(self, request: Request) -> Answer:
        # What these read changes on this thread only; turning 500 lines into text can be done elsewhere.
        families = list(self._controller.collect())
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        body, content_type = await asyncio.to_thread(
            self._encode, families, request.headers.get("accept", ""), zipped=zipped
        )
        headers = {"content-type": content_type, "vary": "accept-encoding"}
        if zipped:
            headers["content-encoding"] = "gzip"
        return Answer(HTTPStatus.OK, body, headers, known=self._guard is not None)

    def _encode(self, families: list[Metric], accept: str, *, zipped: bool) -> tuple[bytes, str]:
        everything = _Collected([*families, *self._process.collect()])
        try:
            encoder, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # A version that the library cannot compare: the format that everybody reads.
            encoder, content_type = choose_encoder("")
        body = encoder(everything)
        return (gzip.compress(body, compresslevel=5) if zipped else body), content_type


def _explained(name: str, explain: Explain) -> Answer:
    namespace, _, rest = name.partition("/")
    body = explain(namespace, rest)
    if body is None:
        sentence = "No such object is known here, or not yet; ask the replica that leads.\n"
        return Answer.text(HTTPStatus.NOT_FOUND, sentence)
    if len(body) > LARGEST:
        return Answer.text(HTTPStatus.INTERNAL_SERVER_ERROR, "The answer would be too long\n")
    return Answer(HTTPStatus.OK, body, {"content-type": "application/json"}, known=True)


class MetricsServer:
    """Serves a handler, and keeps its certificate fresh.

    Args:
        handler: usually a `MetricsEndpoint`.
        address: where to listen.
        certificate: None for plain HTTP.
    """

    def __init__(
        self, handler: Handler, address: BindAddress, *, certificate: Certificate | None = None
    ) -> None:
        self._certificate = certificate
        self.server = HttpServer(handler, address, tls=certificate.context if certificate else None)

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
