"""A server on loopback that answers with the very bytes a test gives, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator.runtime.transport import KubeCluster, connect

Answer = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


def http(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve raw answers on loopback; yield the URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def one_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server made one"
        tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *fields = head.strip().split("\r\n")
                headers = dict(field.lower().split(": ", 1) for field in fields)
                await reader.readexactly(int(headers.get("content-length", 0)))
                await answer(line, headers, writer)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(one_connection, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def write_kubeconfig(
    path: Path, url: str, user: dict[str, Any], cluster: dict[str, Any] | None = None
) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, **(cluster or {})}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": user}],
    }
    path.write_text(json.dumps(config))
    return str(path)


@contextlib.asynccontextmanager
async def connected(answer: Answer, directory: Path, **user: Any) -> AsyncIterator[KubeCluster]:
    """Serve raw answers and connect to them."""
    async with serving(answer) as url, client_of(url, directory, **user) as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def client_of(
    url: str, directory: Path, cluster: dict[str, Any] | None = None, **user: Any
) -> AsyncIterator[KubeCluster]:
    """Connect to a server as this user of a kubeconfig."""
    made = await asyncio.to_thread(
        lambda: connect(kubeconfig=write_kubeconfig(directory / "kubeconfig", url, user, cluster))
    )
    try:
        yield made
    finally:
        await made.close()


def leave_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the proxies and certificate authorities of this machine's environment."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def always(reply: bytes, *, then_close: bool = False) -> Answer:
    async def answer(_line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if then_close:
            await writer.drain()
            writer.close()

    return answer
