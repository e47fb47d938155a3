"""Write the tables of docs/performance.md from the results: no figure there is written by hand.

    python bench/table.py [--results bench/results] [--check]

The text between `<!-- figures -->` and `<!-- end of figures -->` is replaced; with --check it is compared
instead, and a difference is an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from costs import MUTATIONS
from targets import compared

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- figures -->\n"
END: Final = "<!-- end of figures -->\n"

Result = dict[str, Any]
Cell = Callable[[Result], str]


class Row(NamedTuple):
    """One line of the table of lives: what it says of one benchmark's result."""

    benchmark: str
    label: str
    cell: Cell


def figure(name: str, unit: str = "") -> Cell:
    """Return a cell with one figure."""
    return lambda result: f"{number(result['figures'][name])}{unit}"


def number(value: float) -> str:
    """Return a number with thousands apart."""
    return f"{value:,}"


def calls(result: Result) -> str:
    """Return the AWS calls of a result, those that change something first."""
    made = {name: n for name, n in result["figures"]["aws_calls"].items() if not name.startswith("sts:")}
    order = sorted(made, key=lambda name: (name not in MUTATIONS, name))
    words = [f"{number(made[name])} {short(name)}" for name in order]
    return ", ".join(words) or "none"


def short(operation: str) -> str:
    """Return an operation's verb."""
    for noun in ("GatewayTargets", "GatewayTarget"):
        operation = operation.removesuffix(noun)
    return operation


def others_per_target(result: Result) -> str:
    """Return the calls that are no Create, by target."""
    made = result["figures"]["aws_calls"]
    others = sum(
        n for name, n in made.items() if name != "CreateGatewayTarget" and not name.startswith("sts:")
    )
    return f"{others / made['CreateGatewayTarget']:.2f}"


def writes(result: Result) -> str:
    """Return the writes on MCPServers."""
    done = result["figures"]["writes"]
    return number(done.get("object", 0) + done.get("status", 0))


def writes_an_object(result: Result) -> str:
    """Return the writes on MCPServers, by object."""
    done = result["figures"]["writes"]
    return f"{(done.get('object', 0) + done.get('status', 0)) / result['figures']['objects']:.2f}"


def cpu(result: Result) -> str:
    """Return the operator's CPU seconds."""
    return f"{result['figures']['cpu_seconds']['operator']:g}"


def cores(result: Result) -> str:
    """Return what used the cores during the benchmark, in seconds."""
    used = result["figures"]["cpu_seconds"]
    return ", ".join(f"{name} {seconds:g}" for name, seconds in used.items() if seconds >= 1) or "under 1"


def load(result: Result) -> str:
    """Return the load average before."""
    return f"{result['load_before']:g}"


LIFE: Final = (
    Row("B1", "machine", lambda result: result["machine"]),
    Row("B1", "drift interval", lambda result: f"{result['drift_interval']:g} s"),
    Row("B1", "**B1 Created at once**: seconds until all are Ready", figure("seconds")),
    Row("B1", "of which the API server took to accept them", figure("seconds_until_all_were_accepted")),
    Row(
        "B1",
        "one more object, alone in its namespace, when half are Ready: seconds",
        figure("seconds_of_one_alone"),
    ),
    Row("B1", "AWS calls", calls),
    Row("B1", "AWS calls other than Create, per target", others_per_target),
    Row("B1", "writes on MCPServers, per object", writes_an_object),
    Row("B1", "CPU seconds", cores),
    Row("B1", "resident memory of the operator", figure("resident_megabytes", " MB")),
    Row("B1", "load average before", load),
    Row("B2", "**B2 Left alone**: seconds", figure("seconds")),
    Row("B2", "writes on MCPServers", writes),
    Row("B2", "AWS calls", calls),
    Row("B2", "CPU of the operator, of one core", figure("percent_of_one_core", " %")),
    Row("B2", "resident memory", figure("resident_megabytes", " MB")),
    Row(
        "B3",
        "**B3 Killed and started again**: seconds from the start until a new object is Ready",
        figure("seconds_of_one_alone"),
    ),
    Row("B3", "AWS calls, until every gateway was listed twice", calls),
    Row("B3", "writes on MCPServers, 2 of them on the new object", writes),
    Row("B3", "CPU seconds of the operator", cpu),
    Row("B3", "peak of the resident memory", figure("peak_megabytes", " MB")),
    Row("B8", "**B8 Changed outside**: targets edited", figure("edited")),
    Row("B8", "targets deleted", figure("deleted")),
    Row("B8", "seconds until the last was noticed", figure("seconds_until_noticed")),
    Row(
        "B8", "seconds from there until it was repaired, at most", figure("seconds_from_noticed_to_repaired")
    ),
    Row(
        "B8",
        "seconds from there until it was made again, at most",
        figure("seconds_from_noticed_to_made_again"),
    ),
    Row("B8", "AWS calls", calls),
    Row("B4", "**B4 All edited at once**: seconds until all are Ready", figure("seconds")),
    Row("B4", "of which the API server took to accept them", figure("seconds_until_all_were_accepted")),
    Row("B4", "one new object alone meanwhile: seconds", figure("seconds_of_one_alone")),
    Row("B4", "AWS calls", calls),
    Row("B4", "writes on MCPServers, per object", writes_an_object),
    Row("B4", "CPU seconds", cores),
    Row(
        "B7",
        "**B7 All edited while no operator runs**: seconds from its start until all are Ready",
        figure("seconds"),
    ),
    Row("B7", "one new object alone meanwhile: seconds", figure("seconds_of_one_alone")),
    Row("B7", "AWS calls", calls),
    Row("B7", "peak of the resident memory", figure("peak_megabytes", " MB")),
    Row("B5", "**B5 All deleted at once**: seconds until all are gone", figure("seconds")),
    Row("B5", "of which the API server took to accept that", figure("seconds_until_all_were_accepted")),
    Row("B5", "AWS calls", calls),
    Row("B5", "writes on MCPServers, per object", writes_an_object),
    Row("B5", "CPU seconds", cores),
)


def lives(results: list[Result]) -> str:
    """Return the table of B1 to B5, B7 and B8: a column for each size."""
    found = {(result["benchmark"], result["size"]): result for result in results}
    sizes = sorted({size for name, size in found if name == "B1"})
    heads = [f"{number(size)} objects" for size in sizes]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(sizes)}"]
    for benchmark, label, cell in LIFE:
        cells = [
            cell(result) if (result := found.get((benchmark, size))) is not None else "-" for size in sizes
        ]
        if set(cells) != {"-"}:
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def quotas(result: Result) -> str:
    """Return what B6 showed."""
    figures = result["figures"]
    least, seconds = figures["least_seconds"], figures["seconds"]
    throttled = figures["errors"].get("ThrottlingException", 0)
    return "\n".join(
        (
            "| B6: AWS's own quotas, which the simulator enforces | |",
            "|---|---|",
            f"| objects, and one more on its own meanwhile | {number(result['size'])} |",
            f"| least possible: 5 Creates a second, and CREATING | {least:g} s |",
            f"| seconds until all are Ready | {seconds:g} ({(seconds / least - 1) * 100:+.1f} %) |",
            f"| the one alone: seconds | {figures['seconds_of_one_alone']:g} |",
            f"| AWS calls | {calls(result)} |",
            f"| calls that AWS throttled | {throttled} |",
        )
    )


def growing(result: Result) -> str:
    """Return the table of B9, with what each step added."""
    figures = result["figures"]
    heads = (
        "B9: objects",
        "resident MB",
        "kB an object since the step before",
        "CPU ms of creating one",
        "idle, of one core",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    before = None
    for step in figures["steps"]:
        added = made = "-"
        if before is not None:
            more = step["objects"] - before["objects"]
            grown = (step["resident_megabytes"] - before["resident_megabytes"]) * 1024
            added, made = f"{grown / more:.1f}", f"{step['cpu_seconds_of_creating'] * 1000 / more:.1f}"
        lines.append(
            f"| {number(step['objects'])} | {step['resident_megabytes']:g} | {added} | {made} | "
            f"{step['idle_percent_of_one_core']:g} % |"
        )
        before = step
    lines.append(
        f"\nLeast squares: {figures['megabytes_without_objects']:g} MB and "
        f"{figures['kilobytes_an_object']:g} kB an object, no point more than "
        f"{figures['megabytes_off_the_line']:g} MB off that line; idle CPU grows by "
        f"{figures['idle_percent_of_one_core_for_1000_objects']:g} % of a core for a thousand objects, "
        f"no point more than {figures['idle_percent_off_the_line']:g} % off."
    )
    return "\n".join(lines)


def tables(results: list[Result]) -> str:
    """Return all tables as Markdown."""
    parts = [compared(results), lives(results)]
    for name, make in (("B6", quotas), ("B9", growing)):
        parts += [make(result) for result in results if result["benchmark"] == name]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Read the command line; write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    given = parser.parse_args()
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(given.results.glob("B*.json"))]
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    wanted = f"{head}{BEGIN}{tables(results)}{END}{tail}"
    if not given.check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        sys.exit(f"{PAGE.relative_to(ROOT)} is not what the results say: run python bench/table.py")


if __name__ == "__main__":
    main()
