"""B9: what one object weighs and costs, from none to 20,000: does it grow linearly?"""

from __future__ import annotations

import asyncio
from typing import Any

from fleet import Fleet


async def growth(fleet: Fleet, steps: list[int], *, idle: float) -> dict[str, Any]:
    """Create objects up to each step; at each measure memory, the CPU of creating, and that of idleness."""
    rows = []
    for step in steps:
        before = await fleet.costs()
        await fleet.create(fleet.name(step - len(fleet.keys)))
        await fleet.view.ready(fleet.keys, 1, seconds=fleet.limit)
        await fleet.settled()
        made = (await fleet.costs()).since(before)
        before = await fleet.costs()
        await asyncio.sleep(idle)
        rest = (await fleet.costs()).since(before)
        rows.append(
            {
                "objects": step,
                "resident_megabytes": fleet.resident(),
                "cpu_seconds_of_creating": made["cpu_seconds"]["operator"],
                "idle_percent_of_one_core": round(rest["cpu_seconds"]["operator"] * 100 / idle, 2),
                "idle_aws_calls": rest["aws_calls"],
                "idle_writes": {name: n for name, n in rest["writes"].items() if name != "leases"},
            }
        )
    return {"idle_seconds": idle, "steps": rows, **fits(rows)}


def fits(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the straight lines through memory and idle CPU, and how far the points lie off them."""
    objects = [float(row["objects"]) for row in rows]
    memory = line(objects, [row["resident_megabytes"] for row in rows])
    cpu = line(objects, [row["idle_percent_of_one_core"] for row in rows])
    return {
        "kilobytes_an_object": round(memory[0] * 1024, 2),
        "megabytes_without_objects": round(memory[1], 1),
        "megabytes_off_the_line": round(memory[2], 1),
        "idle_percent_of_one_core_for_1000_objects": round(cpu[0] * 1000, 3),
        "idle_percent_off_the_line": round(cpu[2], 2),
    }


def line(xs: list[float], ys: list[float]) -> tuple[float, float, float]:
    """Return slope and intercept of the least-squares line, and the largest distance of a point from it."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    base = mean_y - slope * mean_x
    return slope, base, max(abs(y - base - slope * x) for x, y in zip(xs, ys, strict=True))
