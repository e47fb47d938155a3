"""What everything has cost so far: AWS calls and writes as both servers count them, CPU and memory."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

MUTATIONS: Final = frozenset(
    {"CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget", "SynchronizeGatewayTargets"}
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Costs(NamedTuple):
    """Sums since the start. `cpu` is in seconds by process; `machine` is what all programs together used."""

    calls: Counter[str]
    writes: Counter[str]
    cpu: dict[str, float]
    machine: float

    def since(self, before: Costs) -> dict[str, Any]:
        """Return what was spent since then, as the results have it."""
        cpu = {name: round(self.cpu[name] - before.cpu[name], 2) for name in self.cpu}
        ours = sum(self.cpu[name] - before.cpu[name] for name in self.cpu)
        return {
            "aws_calls": dict(sorted((self.calls - before.calls).items())),
            "writes": dict(sorted((self.writes - before.writes).items())),
            "cpu_seconds": {
                **cpu,
                "other programs": round(max(0.0, self.machine - before.machine - ours), 2),
            },
        }


def writes(metrics: str) -> Counter[str]:
    """Return the writes in the API server's own count: objects, status, Events and Leases.

    Args:
        metrics: the text of its /metrics.
    """
    found = Counter[str]()
    for line in metrics.splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        number = int(float(line.rpartition(" ")[2]))
        match labels["verb"], labels["resource"]:
            case (("PATCH" | "PUT"), "mcpservers"):
                found[labels["subresource"] or "object"] += number
            case (("POST" | "PATCH"), "events"):
                found["events"] += number
            case (("POST" | "PATCH" | "PUT"), "leases"):
                found["leases"] += number
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, user and system; 0 for one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0.0
    # Fields 14 and 15 of proc(5); the name in field 2 may hold blanks, so count behind its parenthesis.
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def machine_seconds() -> float:
    """Return the CPU seconds that all programs together have used since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split()[1:8]
    )
    return (user + nice + system + irq + softirq) / _TICKS


def megabytes(pid: int, what: str) -> float:
    """Return a line of a process's /proc/PID/status in MB: VmRSS is what it has resident, VmHWM the peak."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found is not None
    return round(int(found[1]) / 1024, 1)


def open_files(pid: int) -> int:
    """Return how many descriptors a process has, sockets included."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
