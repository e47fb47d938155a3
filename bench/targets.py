"""What the project promises of speed, calls, writes and memory, compared with the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from costs import MUTATIONS

Figures = dict[str, Any]
RESTART_WRITES: Final = 2
"""On the object that is created meanwhile: finalizer and status."""


class Target(NamedTuple):
    """One promise: what was measured must not be more than `most`."""

    benchmark: str
    size: int
    what: str
    most: float
    unit: str
    measured: Callable[[Figures], float]


def of(name: str) -> Callable[[Figures], float]:
    """Return how one figure is read."""
    return lambda figures: float(figures[name])


def _others_per_target(figures: Figures) -> float:
    calls = figures["aws_calls"]
    others = sum(
        n for name, n in calls.items() if name != "CreateGatewayTarget" and not name.startswith("sts:")
    )
    return float(others / calls["CreateGatewayTarget"])


def _creates_per_target(figures: Figures) -> float:
    return float(figures["aws_calls"]["CreateGatewayTarget"] / figures["objects"])


def _writes(figures: Figures) -> float:
    return float(figures["writes"].get("object", 0) + figures["writes"].get("status", 0))


def _mutations(figures: Figures) -> float:
    return float(sum(n for name, n in figures["aws_calls"].items() if name in MUTATIONS))


TARGETS: Final = (
    Target("B1", 1000, "1,000 objects created until all are Ready", 20, "s", of("seconds")),
    Target("B1", 1000, "Creates per target", 1, "", _creates_per_target),
    Target("B1", 1000, "other AWS calls per target", 0.3, "", _others_per_target),
    Target("B1", 1000, "Kubernetes writes per object", 3, "", lambda got: _writes(got) / got["objects"]),
    Target("B1", 10_000, "10,000 objects created until all are Ready", 240, "s", of("seconds")),
    Target("B1", 10_000, "other AWS calls per target", 0.3, "", _others_per_target),
    Target(
        "B6",
        500,
        "500 objects over 5 gateways with AWS's quotas: more than the least possible",
        5,
        "%",
        lambda got: (got["seconds"] / got["least_seconds"] - 1) * 100,
    ),
    Target("B2", 10_000, "10,000 idle objects: Kubernetes writes", 0, "", _writes),
    Target("B2", 10_000, "Lists a minute, 101 gateways, jittered by 10 %", 112, "", of("lists_a_minute")),
    Target("B2", 10_000, "share of one core", 2, "%", of("percent_of_one_core")),
    Target("B2", 10_000, "resident memory", 120, "MB", of("resident_megabytes")),
    Target(
        "B3",
        10_000,
        "restart with 10,000: AWS calls that change something, but the new object's Create",
        0,
        "",
        lambda got: _mutations(got) - 1,
    ),
    Target(
        "B3",
        10_000,
        "Kubernetes writes, but the new object's",
        0,
        "",
        lambda got: _writes(got) - RESTART_WRITES,
    ),
    Target("B3", 10_000, "from the start until a new object is Ready", 5, "s", of("seconds_of_one_alone")),
    Target("B3", 10_000, "peak of the resident memory", 128, "MB", of("peak_megabytes")),
    Target("B1", 10_000, "one alone while 10,000 are created", 5, "s", of("seconds_of_one_alone")),
    Target("B4", 10_000, "one alone while 10,000 are updated", 5, "s", of("seconds_of_one_alone")),
    Target(
        "B7", 10_000, "one alone after a restart with 10,000 edits to do", 5, "s", of("seconds_of_one_alone")
    ),
    Target(
        "B8",
        10_000,
        "external edits and deletions noticed (60 s, jittered by 10 %)",
        66,
        "s",
        of("seconds_until_noticed"),
    ),
    Target("B8", 10_000, "from there until repaired", 3, "s", of("seconds_from_noticed_to_repaired")),
    Target("B8", 10_000, "from there until made again", 3, "s", of("seconds_from_noticed_to_made_again")),
)


def compared(results: list[dict[str, Any]]) -> str:
    """Return the table of targets that were measured."""
    found = {(result["benchmark"], result["size"]): result["figures"] for result in results}
    lines = ["| what | target, at most | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        figures = found.get((target.benchmark, target.size))
        if figures is None:
            continue
        measured = target.measured(figures)
        verdict = "met" if round(measured, 2) <= target.most else "**missed**"
        unit = f" {target.unit}" if target.unit else ""
        cells = (target.what, f"{target.most:g}{unit}", f"{measured:.4g}{unit}", verdict)
        lines.append(f"| {target.benchmark}: {' | '.join(cells)} |")
    return "\n".join(lines)
