"""A reverse proxy on loopback that answers one watch on MCPServers in its own way and passes on all else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec
import uvicorn
from contestants import Contestant
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

COLLECTION = "/mcpservers"
TIMEOUT = httpx2.Timeout(10.0, read=None)


@dataclass(frozen=True, slots=True)
class Fault:
    """What one watch gets instead of its events.

    Attributes:
        code: of the Status that is sent; 0 sends nothing at all and leaves the stream open.
        in_stream: the answer is 200 and the Status comes as an ERROR event; else it is the answer itself.
    """

    code: int
    in_stream: bool = True

    @property
    def status(self) -> bytes:
        """metav1.Status, as the API server words it."""
        reason = {410: "Expired", 403: "Forbidden", 500: "InternalError"}[self.code]
        return msgspec.json.encode(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": f"injected {reason}",
                "reason": reason,
                "code": self.code,
            }
        )


@dataclass(slots=True)
class Proxy:
    """The running proxy.

    Attributes:
        fault: what the next watch gets once `cut` is set; until then it hangs. None passes the watch on.
        seen: (monotonic seconds, what) of each list and watch of MCPServers.
        watching: whether a watch of MCPServers has been asked for.
        cut: set by whoever wants the hanging watch to get its fault.
    """

    upstream: httpx2.AsyncClient
    fault: Fault | None = None
    seen: list[tuple[float, str]] = field(default_factory=list)
    cut: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    watching: bool = False

    async def answer(self, request: Request) -> Response:
        """Serve one request."""
        query = request.query_params
        if request.method == "GET" and request.url.path.endswith(COLLECTION):
            watch = query.get("watch") == "true"
            names = ("resourceVersion", "allowWatchBookmarks", "timeoutSeconds", "sendInitialEvents")
            given = [name for name in names if query.get(name)] if watch else []
            self.seen.append((time.monotonic(), " ".join(["watch" if watch else "list", *given])))
            self.watching = self.watching or watch
            if watch and self.fault is not None:
                fault, self.fault = self.fault, None
                return await self._faulty(fault)
        return await self._passed_on(request)

    async def _faulty(self, fault: Fault) -> Response:
        await asyncio.to_thread(self.cut.wait)
        if not fault.in_stream:
            return Response(fault.status, status_code=fault.code, media_type="application/json")
        return StreamingResponse(self._stream(fault), media_type="application/json")

    async def _stream(self, fault: Fault) -> AsyncIterator[bytes]:
        if fault.code:
            yield b'{"type":"ERROR","object":' + fault.status + b"}\n"
        else:
            await asyncio.Event().wait()

    async def _passed_on(self, request: Request) -> Response:
        kept = {"content-type", "accept"}
        outgoing = self.upstream.build_request(
            request.method,
            request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            headers={name: value for name, value in request.headers.items() if name in kept},
            content=await request.body(),
            timeout=TIMEOUT,
        )
        answer = await self.upstream.send(outgoing, stream=True)

        async def body() -> AsyncIterator[bytes]:
            async with contextlib.aclosing(answer):
                async for chunk in answer.aiter_bytes():
                    yield chunk

        return StreamingResponse(
            body(), status_code=answer.status_code, media_type=answer.headers.get("content-type")
        )


@contextmanager
def proxied(kubeconfig: Path) -> Iterator[Proxy]:
    """Run a proxy in front of the cluster that a kubeconfig names, in a thread of its own."""
    cluster = Contestant(kubeconfig)
    upstream = httpx2.AsyncClient(base_url=cluster.url, verify=cluster.tls, trust_env=False)
    proxy = Proxy(upstream)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", proxy.answer, methods=methods)])
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    )
    listening = socket.create_server(("127.0.0.1", 0))
    proxy.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join()


def write_kubeconfig(proxy: Proxy, path: Path) -> Path:
    """Write a kubeconfig without credentials for the proxy, which has its own."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "clusters": [{"name": "proxy", "cluster": {"server": proxy.url}}],
        "users": [{"name": "nobody", "user": {"token": "none"}}],
    }
    path.write_bytes(msgspec.json.encode(config))
    return path
