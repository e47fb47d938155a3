"""A bare HTTP/1.1 client for the API server, so that making ten thousand objects costs the benchmark little.

The operator's own client spends two milliseconds of CPU on a request, on cores that the operator needs too.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import yaml

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"


class RefusedError(RuntimeError):
    """The API server answered with an error; the message begins with its status code."""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class RawKube:
    """Keep-alive connections to one API server.

    Args:
        kubeconfig: with a client certificate.
        directory: for the certificate's files.
        connections: requests at a time.
    """

    def __init__(self, kubeconfig: Path, directory: Path, *, connections: int) -> None:
        content: Any = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "", address.port or 443
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        files: list[Path] = []
        for name in ("client-certificate-data", "client-key-data"):
            path = directory / name
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(user[name]))
            files.append(path)
        self._tls.load_cert_chain(files[0], files[1])
        self._idle: asyncio.LifoQueue[_Connection | None] = asyncio.LifoQueue()
        for _ in range(connections):
            self._idle.put_nowait(None)

    async def send(self, method: str, path: str, body: object = None, *, kind: str = JSON) -> bytes:
        """Send one request when a connection is free and return the answer's body.

        Raises:
            RefusedError: the answer is an error.
            OSError: no answer.
        """
        connection = await self._idle.get()
        try:
            if connection is None or connection.reader.at_eof():
                # None yet, or one that the server ended because it was idle for long.
                connection = _Connection(
                    *await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=2**26)
                )
            content = b"" if body is None else msgspec.json.encode(body)
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: {JSON}\r\n"
                f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            connection.writer.write(head.encode("ascii") + content)
            status, answer = await _answer(connection.reader)
        except BaseException:
            if connection is not None:
                connection.writer.close()
            connection = None
            raise
        finally:
            self._idle.put_nowait(connection)
        if status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{status} {method} {path}: {answer[:500]!r}")
        return answer

    async def close(self) -> None:
        """Close the connections; none may be in use."""
        while not self._idle.empty():
            if (connection := self._idle.get_nowait()) is not None:
                connection.writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    status = int(first.split()[1])
    if headers.get("transfer-encoding") != "chunked":
        return status, await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(parts)
