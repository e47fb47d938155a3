"""Whether a client takes bytes that nobody asked for as the answer to its next request.

    python bench/alternatives/leftovers.py [CLIENT...]

A TLS server on loopback answers each request with its path, and once with a second, forged answer: in the
same breath (`behind`), or when the connection is idle again (`later`). Prints a line of JSON a client: what
its two requests got, or the name of an exception; right is `/1 /2`.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import scratch
from contestants import CONTESTANTS

from mcp_gateway_operator_demo.localcluster.kubeconfig_file import write_kubeconfig
from mcp_gateway_operator_demo.localcluster.pki import Authority

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"


async def answers(name: str, folder: Path, *, later: bool) -> str:
    """Return what the two requests of a client get; `/1 /2` is right."""
    authority = Authority(datetime.now(UTC))
    identity = authority.server()
    (folder / "server.pem").write_bytes(identity.key + identity.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split()[1]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
                if path == b"/1" and not later:
                    writer.write(FORGED)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    kubeconfig = write_kubeconfig(
        folder / "kubeconfig", server=url, authority=authority.certificate, user=authority.client("x", "y")
    )
    async with server, CONTESTANTS[name](kubeconfig) as client:
        first = (await client.get("/1")).decode()
        if later:
            writers[0].write(FORGED)
        await asyncio.sleep(0.2)
        try:
            return f"{first} {(await client.get('/2')).decode()}"
        except Exception as error:  # noqa: BLE001  -- each library has its own
            return f"{first} {type(error).__name__}"
        finally:
            for writer in writers:
                writer.transport.abort()


def main() -> None:
    """Ask each client in a process of its own."""
    if sys.argv[1:2] == ["--one"]:
        with tempfile.TemporaryDirectory() as directory:
            found = {
                what: asyncio.run(answers(sys.argv[2], Path(directory), later=later))
                for what, later in (("behind", False), ("later", True))
            }
        print(json.dumps({"client": sys.argv[2], **found}))
        return
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, **scratch.packages_in(Path(directory), scratch.AIOHTTP)}
        for name in sys.argv[1:] or CONTESTANTS:
            subprocess.run([sys.executable, __file__, "--one", name], check=True, env=environment)  # noqa: S603  -- this script


if __name__ == "__main__":
    main()
