"""How fast the simulator answers on one core, and what 100,000 targets weigh.

    python bench/simulator_load.py [--seconds 10] [--targets 100000] [--out result.json]

The server runs in a process of its own, bound to one core where the system allows it; the client sends
ready-made signed requests over keep-alive connections from this process. The mix, of 20 requests:
10 GetGatewayTarget, 5 ListGatewayTargets (100 rows), 2 CreateGatewayTarget, 1 UpdateGatewayTarget,
1 SynchronizeGatewayTargets, 1 DeleteGatewayTarget. Rates are given by wall clock and by second of the
server's CPU time: the latter does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from agentcore_simulator import AdminClient, Engine, Request, Settings
from agentcore_simulator.settings import patched

GATEWAY = "demo-abcdefghij"
SCOPE = (
    "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/bedrock-agentcore/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
CONNECTIONS = 8
SERVER = "from agentcore_simulator.command import main; main()"


def body(name: str, token: str | None = None) -> bytes:
    """A Create or Update of a typical target, about 600 bytes."""
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/idp"
    oauth = {"providerArn": arn, "scopes": ["read", "write"], "grantType": "CLIENT_CREDENTIALS"}
    request: dict[str, Any] = {
        "name": name,
        "description": f"Tools of {name} [mcps abcdef/abcdefghijkl]",
        "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": f"https://{name}.example.com/mcp"}}},
        "credentialProviderConfigurations": [
            {"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": oauth}}
        ],
        "metadataConfiguration": {"allowedRequestHeaders": ["x-tenant", "x-request-id"]},
    }
    if token is not None:
        request["clientToken"] = token
    return json.dumps(request).encode()


class Worker:
    """One keep-alive connection going round the mix with targets of its own."""

    def __init__(self, number: int, ids: list[str]) -> None:
        self.number = number
        self.ids = ids
        self.done = 0
        self.failed = 0

    async def run(self, port: int, until: float) -> None:
        """Send requests until the monotonic clock shows `until`."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        serial = 0
        while time.monotonic() < until:
            serial += 1
            await self.round(serial)
        self.writer.close()

    async def round(self, serial: int) -> None:
        """20 requests."""
        targets = f"/gateways/{GATEWAY}/targets/"
        for step in range(10):
            await self.send("GET", f"{targets}{self.ids[(serial + step) % len(self.ids)]}/")
        for _ in range(5):
            await self.send("GET", f"{targets}?maxResults=100")
        made = []
        for part in "ab":
            name = f"w{self.number}-{serial}{part}"
            answer = await self.send("POST", targets, body(name, f"{'t' * 30}-{self.number}-{serial}{part}"))
            made.append((name, answer["targetId"]))
        (name, first), (_, second) = made
        await self.send("PUT", f"{targets}{first}/", body(name))
        payload = json.dumps({"targetIdList": [first]}).encode()
        await self.send("PUT", f"/gateways/{GATEWAY}/synchronizeTargets", payload)
        await self.send("DELETE", f"{targets}{second}/")

    async def send(self, method: str, path: str, content: bytes = b"") -> Any:
        """One request; the decoded answer of writes."""
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {SCOPE}\r\n"
            "x-amz-date: 20261122T120000Z\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)
        raw = await self.reader.readuntil(b"\r\n\r\n")
        length = int(raw.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = await self.reader.readexactly(length)
        self.done += 1
        if not raw.startswith(b"HTTP/1.1 20"):
            self.failed += 1
        return json.loads(answer) if method == "POST" else None


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def over_http(seconds: float) -> dict[str, Any]:
    """The mix against the server process."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        process = subprocess.Popen(  # noqa: S603  -- our own command
            [sys.executable, "-c", SERVER, "--port", "0", "--gateway", GATEWAY, "--ready-file", str(ready)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().partition("=")[2]
            if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
                os.sched_setaffinity(process.pid, {0})
            admin = AdminClient.over_http(url)
            # Writes in transient states are accepted, so that the mix does not turn into a mix of refusals.
            admin.configure(
                quotas={"targets_per_gateway": 10**9},
                switches={"transient_writes": "accept", "client_token_seconds": 60},
            )
            ids = [
                admin.create_target(GATEWAY, **json.loads(body(f"t{number}")))["targetId"]
                for number in range(100)
            ]
            workers = [Worker(number, ids) for number in range(CONNECTIONS)]

            async def main() -> float:
                port = int(url.rsplit(":", 1)[1])
                began = time.monotonic()
                await asyncio.gather(*(worker.run(port, began + seconds) for worker in workers))
                return time.monotonic() - began

            before = cpu_seconds(process.pid)
            lasted = asyncio.run(main())
            used = cpu_seconds(process.pid) - before
        finally:
            process.terminate()
            process.wait(30)
    requests = sum(worker.done for worker in workers)
    return {
        "requests": requests,
        "failed": sum(worker.failed for worker in workers),
        "seconds": round(lasted, 2),
        "per_second": round(requests / lasted),
        "server_cpu_seconds": round(used, 2),
        "per_cpu_second": round(requests / used),
    }


def in_process(seconds: float) -> dict[str, Any]:
    """GetGatewayTarget and CreateGatewayTarget of the engine alone, in virtual time."""
    now = [1e9]
    engine = Engine(patched(Settings(), {"quotas": {"targets_per_gateway": 10**9}}), clock=lambda: now[0])
    AdminClient.in_process(engine).create_gateway(GATEWAY)
    headers = {"authorization": SCOPE}
    path = f"/gateways/{GATEWAY}/targets/"
    creates = 0
    end = time.process_time() + seconds / 2
    while time.process_time() < end:
        creates += 1
        request = Request("POST", path, "", headers, body(f"n{creates}", f"{'t' * 40}-{creates}"))
        answer = engine.handle(request)
        now[0] += 1
    target = json.loads(answer.body)["targetId"]
    gets = 0
    end = time.process_time() + seconds / 2
    while time.process_time() < end:
        gets += 1
        engine.handle(Request("GET", f"{path}{target}/", "", headers))
    return {
        "creates_per_cpu_second": round(creates / (seconds / 2)),
        "gets_per_cpu_second": round(gets / (seconds / 2)),
    }


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def weigh(targets: int) -> dict[str, Any]:
    """Memory of a server process's engine with so many targets, 100 in each gateway, all created by API."""
    import agentcore_simulator.wire.http_server  # noqa: F401, PLC0415  -- what the real process has loaded

    now = [1e9]
    engine = Engine(clock=lambda: now[0])
    admin = AdminClient.in_process(engine)
    admin.create_gateway("g0-abcdefghij")
    empty = resident_bytes()
    for number in range(targets):
        gateway = f"g{number // 100}-abcdefghij"
        if number % 100 == 0 and number:
            admin.create_gateway(gateway)
        request = body(f"server-{number}", f"{'t' * 40}-{number}")
        path = f"/gateways/{gateway}/targets/"
        answer = engine.handle(Request("POST", path, "", {"authorization": SCOPE}, request))
        assert answer.status == HTTPStatus.ACCEPTED, answer.body
        now[0] += 0.001
    engine.advance()
    full = resident_bytes()
    return {
        "targets": targets,
        "empty_mib": round(empty / 2**20, 1),
        "full_mib": round(full / 2**20, 1),
        "bytes_per_target": round((full - empty) / targets),
    }


def in_child(*arguments: str) -> Any:
    """One of the measurements in a fresh process."""
    done = subprocess.run(  # noqa: S603  -- this very file
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--targets", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", choices=["memory", "engine"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only == "memory":
        print(json.dumps(weigh(options.targets)))
        return
    if options.only == "engine":
        print(json.dumps(in_process(options.seconds)))
        return
    result = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "http": over_http(options.seconds),
        "engine": in_child("--only", "engine", "--seconds", str(options.seconds)),
        "memory": in_child("--only", "memory", "--targets", str(options.targets)),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
