# ruff: noqa: D102, PLC0415, SLF001  -- a class each, documented once; libraries are loaded by their own class only
"""The HTTP clients that `clients.py` compares, each with no more around it than the comparison needs.

None but the operator's own bounds what a server may send.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import yaml

MERGE = "application/merge-patch+json"
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "bench"}
LIMIT = 2**24


class Contestant(contextlib.AbstractAsyncContextManager["Contestant"]):
    """One of them.

    Args:
        kubeconfig: with an authority and a client certificate in it.
    """

    def __init__(self, kubeconfig: Path) -> None:
        content: Any = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.kubeconfig = kubeconfig
        self.url: str = cluster["server"]
        address = urlsplit(self.url)
        self.host, self.port = address.hostname or "", address.port or 443
        self.tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        with tempfile.TemporaryDirectory() as directory:
            files = []
            for name in ("client-certificate-data", "client-key-data"):
                files.append(Path(directory, name))
                files[-1].write_bytes(base64.b64decode(user[name]))
            self.tls.load_cert_chain(files[0], files[1])

    async def patch(self, path: str, body: bytes) -> bytes:
        """Send a merge patch and return the answer's body."""
        raise NotImplementedError

    async def get(self, path: str) -> bytes:
        """Return the answer's body."""
        raise NotImplementedError

    def stream(self, path: str) -> AsyncIterator[bytes]:
        """Yield the answer's body as it comes."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""


class Runtime(Contestant):
    """What the operator has today, with all that it checks."""

    async def __aenter__(self) -> Self:
        from mcp_gateway_operator.runtime.cluster import PatchType, Resource
        from mcp_gateway_operator.runtime.transport import connect

        self._merge = PatchType.MERGE
        self._resource = Resource("mcpgateway.bedrock.aws", "v1alpha1", "mcpservers")
        self._cluster = await asyncio.to_thread(connect, kubeconfig=str(self.kubeconfig), user_agent="bench")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cluster.close()

    async def patch(self, path: str, body: bytes) -> bytes:
        import msgspec

        name = path.rsplit("/", 2)[1]
        return await self._cluster.patch(
            self._resource, "bench", name, msgspec.Raw(body), kind=self._merge, subresource="status"
        )

    async def get(self, path: str) -> bytes:
        return await self._cluster.get_path(path)

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        version = path.partition("resourceVersion=")[2].partition("&")[0]
        watch = self._cluster.watch(self._resource, namespace="bench", resource_version=version, timeout=60)
        async with contextlib.aclosing(watch):
            async for event in watch:
                yield b'{"type":"%b","object":%b}\n' % (event.type.encode(), bytes(event.object))


class Httpx2(Contestant):
    """httpx2 as it comes: h11 and anyio under httpcore2."""

    def transport(self) -> Any:
        import httpx2

        return httpx2.AsyncHTTPTransport(verify=self.tls, limits=httpx2.Limits(max_connections=64))

    async def __aenter__(self) -> Self:
        import httpx2

        self._client = httpx2.AsyncClient(
            base_url=self.url, transport=self.transport(), headers=HEADERS, trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def patch(self, path: str, body: bytes) -> bytes:
        answer = await self._client.patch(path, content=body, headers={"Content-Type": MERGE})
        return bytes(answer.content)

    async def get(self, path: str) -> bytes:
        return bytes((await self._client.get(path)).content)

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        async with self._client.stream("GET", path) as answer:
            async for part in answer.aiter_bytes():
                yield part


class Aiohttp(Contestant):
    """aiohttp, whose parser is llhttp in C."""

    async def __aenter__(self) -> Self:
        import aiohttp  # type: ignore[import-not-found,unused-ignore]  # installed for this run only

        self._session = aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=64),
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def patch(self, path: str, body: bytes) -> bytes:
        headers = {"Content-Type": MERGE}
        async with self._session.patch(path, data=body, headers=headers, allow_redirects=False) as answer:
            return bytes(await answer.read())

    async def get(self, path: str) -> bytes:
        async with self._session.get(path, allow_redirects=False) as answer:
            return bytes(await answer.read())

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        async with self._session.get(path, allow_redirects=False) as answer:
            async for part in answer.content.iter_any():
                yield part


class _Wire(Protocol):
    """One connection of the two below."""

    def send(self, request: bytes) -> None:
        """Send a request's bytes."""

    def parts(self) -> AsyncIterator[bytes]:
        """Yield the body of the answer."""

    def close(self) -> None:
        """End it."""


class _Own(Contestant):
    """A pool of our own around connections of our own."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self._idle: list[Any] = []

    async def connect(self) -> Any:
        """Open a connection."""
        raise NotImplementedError

    def _request(self, method: str, path: str, body: bytes = b"") -> bytes:
        headers = {**HEADERS, "Host": self.host, "Content-Length": str(len(body)), "Content-Type": MERGE}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + body

    async def _whole(self, request: bytes) -> bytes:
        wire: _Wire = self._idle.pop() if self._idle else await self.connect()
        wire.send(request)
        body = b"".join([part async for part in wire.parts()])
        self._idle.append(wire)
        return body

    async def patch(self, path: str, body: bytes) -> bytes:
        return await self._whole(self._request("PATCH", path, body))

    async def get(self, path: str) -> bytes:
        return await self._whole(self._request("GET", path))

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        wire = await self.connect()
        wire.send(self._request("GET", path))
        async for part in wire.parts():
            yield part
        wire.close()

    async def __aexit__(self, *_: object) -> None:
        for wire in self._idle:
            wire.close()


class _StreamWire:
    """asyncio's streams, and lines taken apart by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, request: bytes) -> None:
        self._writer.write(request)

    async def parts(self) -> AsyncIterator[bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if b"content-length" in headers:
            yield await self._reader.readexactly(int(headers[b"content-length"]))
            return
        while size := int(await self._reader.readline(), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)

    def close(self) -> None:
        self._writer.transport.abort()


class Streams(_Own):
    """asyncio's streams."""

    async def connect(self) -> _StreamWire:
        return _StreamWire(*await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=LIMIT))


class StreamsHttpx2(Httpx2):
    """The same below httpx2, in place of its own transport."""

    def transport(self) -> Any:
        import httpx2

        own = Streams(self.kubeconfig)

        class Body(httpx2.AsyncByteStream):
            def __init__(self, wire: _StreamWire) -> None:
                self._wire = wire
                self._done = False

            async def __aiter__(self) -> AsyncIterator[bytes]:
                async for part in self._wire.parts():
                    yield part
                self._done = True

            async def aclose(self) -> None:
                own._idle.append(self._wire) if self._done else self._wire.close()

        class Transport(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
                lines += [b"%b: %b" % pair for pair in request.headers.raw]
                wire = own._idle.pop() if own._idle else await own.connect()
                wire.send(b"\r\n".join(lines) + b"\r\n\r\n" + await request.aread())
                return httpx2.Response(200, stream=Body(wire))

            async def aclose(self) -> None:
                await own.__aexit__()

        return Transport()


class _ParsedWire(asyncio.Protocol):
    """A protocol that gives what it receives to httptools, and stops reading while nobody takes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._wakened is not None and not self._wakened.done():
            self._wakened.set_result(None)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self._complete = True

    def send(self, request: bytes) -> None:
        import httptools

        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._complete = False
        self._wakened: asyncio.Future[None] | None = None
        self._transport.write(request)

    async def parts(self) -> AsyncIterator[bytes]:
        while True:
            while not self._parts and not self._complete:
                self._wakened = asyncio.get_running_loop().create_future()
                await self._wakened
            taken, self._parts = self._parts, []
            if taken:
                yield b"".join(taken)
            if self._complete and not self._parts:
                return

    def close(self) -> None:
        self._transport.abort()


class Httptools(_Own):
    """A protocol of our own with the parser that uvicorn has, llhttp in C."""

    async def connect(self) -> _ParsedWire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(_ParsedWire, self.host, self.port, ssl=self.tls)
        return wire


CONTESTANTS: dict[str, type[Contestant]] = {
    "runtime": Runtime,
    "httpx2": Httpx2,
    "own streams, httpx2": StreamsHttpx2,
    "own streams": Streams,
    "own protocol, httptools": Httptools,
    "aiohttp": Aiohttp,
}
