"""What `plan` takes for 1,000 manifests: CPU seconds and seconds of the command's own process.

    python bench/plan.py --rounds 5 --out bench/results/plan.json

Each round calls every case once, as a user does, in a pipe, against a simulator in a process of its own that
answers at once. CPU is user and system time, as Linux counts it for the process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api import names

MANIFESTS, GATEWAYS = 1000, 10
SERVER: Final = "from agentcore_simulator.command import main; main()"
MCPS: Final = "from mcp_gateway_operator.cli.entry import main; main()"
OWNER: Final = "11111111-2222-3333-4444-555555555555"
PROVIDER: Final = (
    "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/idp"
)
SERVER_OF_OTHERS: Final = {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}


def gateways(kind: str) -> list[str]:
    """Return the ids of ten gateways; those of another kind have other targets."""
    return [f"{kind}{number}-abcdefghij" for number in range(GATEWAYS)]


def manifest(number: int, kind: str) -> dict[str, Any]:
    """Return one manifest."""
    name = f"server-{number:04d}"
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": {"name": name, "namespace": f"team-{number % 50:02d}"},
        "spec": {
            "gatewayId": gateways(kind)[number % GATEWAYS],
            "endpoint": f"https://{name}.example.com/mcp",
            "description": f"Tools of server {number}",
            "capabilities": ["tools"],
            "authType": "OAuth2",
            "oauthProviderArn": PROVIDER,
            "oauthScopes": ["read", "write"],
        },
    }


def _all(kind: str) -> list[dict[str, Any]]:
    return [manifest(number, kind) for number in range(MANIFESTS)]


def write(folder: Path) -> dict[str, list[str]]:
    """Write the manifests; return the arguments of each case."""
    cases: dict[str, list[str]] = {"help": ["plan", "--help"]}

    def plan(case: str, path: Path, objects: Iterable[dict[str, Any]]) -> None:
        path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        cases[case] = ["plan", "--no-cluster", "--owner-id", OWNER, "-f", str(path)]

    plan("one manifest", folder / "one.yaml", [manifest(0, "none")])
    for kind, there in (("none", "no"), ("some", "100"), ("many", "1,000")):
        plan(f"1,000 manifests, {there} targets there", folder / f"{kind}.yaml", _all(kind))
    alone = [{**each, "spec": {**each["spec"], "gatewayId": gateways("none")[0]}} for each in _all("none")]
    plan("1,000 manifests on one gateway", folder / "alone.yaml", alone)
    tree = folder / "tree"
    tree.mkdir()
    for number in range(MANIFESTS):
        plan("1,000 files", tree / f"{number}.yaml", [manifest(number, "none")])
    cases["1,000 files"][-1] = str(tree)
    text = folder / "all.json"
    text.write_text("\n".join(json.dumps(manifest(number, "none"), indent=2) for number in range(MANIFESTS)))
    cases["1,000 manifests as JSON"] = [*cases["one manifest"][:-1], str(text)]
    cases["1,000 manifests, answered as JSON"] = [*cases["1,000 manifests, no targets there"], "-o", "json"]
    return cases


@contextmanager
def simulator() -> Iterator[str]:
    """Give the address of a simulator with thirty gateways, ten of which are full."""
    process = subprocess.Popen(  # noqa: S603  -- our own command
        [sys.executable, "-c", SERVER, "--port", "0", "--no-quotas"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition("=")[2]
        admin = AdminClient.over_http(url)
        for kind, there in (("none", 0), ("some", 10), ("many", 100)):
            for gateway in gateways(kind):
                admin.create_gateway(gateway)
                for number in range(there):
                    admin.create_target(gateway, name=f"other-{number}", targetConfiguration=SERVER_OF_OTHERS)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def run(arguments: list[str], url: str) -> tuple[float, float, float]:
    """Return the CPU seconds of a command, its seconds, and the most memory that it had, in MiB."""
    env = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  -- our own command
        [sys.executable, "-c", MCPS, *arguments], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lasted = time.monotonic() - began
    assert process.returncode in {0, 2}, process.returncode
    return usage.ru_utime + usage.ru_stime, lasted, usage.ru_maxrss / 1024


def main() -> None:
    """Measure, print, and keep what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, simulator() as url:
        cases = {name: case for name, case in write(Path(folder)).items() if options.only in name}
        run(["plan", "--help"], url)  # what is compiled stays
        for _ in range(options.rounds):
            for name, arguments in cases.items():
                found.setdefault(name, []).append(run(arguments, url))
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    }
    for name, rounds in found.items():
        cpu, wall, memory = zip(*rounds, strict=True)
        result[name] = {
            "cpu_seconds": [round(min(cpu), 2), round(statistics.median(cpu), 2)],
            "seconds": [round(min(wall), 2), round(statistics.median(wall), 2)],
            "mebibytes": round(max(memory)),
        }
        print(f"{name:38} {result[name]}")
    result["load average after"] = round(os.getloadavg()[0], 2)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
