"""What the demo sees, and how it shows it: live on a terminal, as plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import wrap
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet.tables import fit
from mcp_gateway_operator_demo import tables
from mcp_gateway_operator_demo.environment import Environment

EVENTS_SHOWN = 8
INDENT = 4


class SeenObject(NamedTuple):
    """An MCPServer as the API server has it; conditions count only for its newest generation."""

    name: str
    endpoint: str
    target_id: str
    ready: bool
    waits_for_consent: bool


class Snapshot(NamedTuple):
    """Both sides at one moment."""

    objects: list[SeenObject]
    targets: dict[str, Any]
    events: list[dict[str, Any]]
    view: Callable[[], str]
    """What kubectl prints of the objects, when it is asked: that takes longer than all the rest."""

    def object(self, name: str) -> SeenObject:
        """Return one object."""
        return next(item for item in self.objects if item.name == name)

    def endpoint_of(self, target_id: str) -> str:
        """Return the endpoint a target has in AWS, "" when it is not there."""
        target = self.targets.get(target_id)
        return str(target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"]) if target else ""

    def has_event(self, name: str, reason: str) -> bool:
        """Whether an Event with this reason is on the object."""
        return any(
            event["reason"] == reason and event["involvedObject"]["name"] == name for event in self.events
        )


def look(environment: Environment, namespace: str, gateways: list[str]) -> Snapshot:
    """Return what the API server and the simulated AWS hold now."""
    cluster = environment.cluster
    resources = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{namespace}/{names.PLURAL}"
    objects = cluster.get(resources)["items"]

    def view() -> str:
        said = cluster.kubectl("get", "mcps", "--namespace", namespace, "-o", "wide", check=False)
        return (said.stdout or said.stderr).rstrip()

    events = cluster.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    events.sort(key=lambda event: event["lastTimestamp"] or "")
    return Snapshot(
        objects=[_seen(item) for item in objects],
        targets={
            target["targetId"]: target
            for gateway in gateways
            for target in environment.simulator.admin.targets(gateway)
        },
        events=events,
        view=view,
    )


def _seen(item: dict[str, Any]) -> SeenObject:
    status = item.get("status", {})
    generation = item["metadata"]["generation"]
    current = (c for c in status.get("conditions", []) if c.get("observedGeneration") == generation)
    ready = next((c for c in current if c["type"] == "Ready"), {"status": "", "reason": ""})
    return SeenObject(
        name=item["metadata"]["name"],
        endpoint=item["spec"]["endpoint"],
        target_id=status.get("targetId", ""),
        ready=ready["status"] == "True",
        waits_for_consent=ready["reason"] == names.Reason.PENDING_AUTHORIZATION,
    )


class Show:
    """Writes the demo's story to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, int]] = set()

    def heading(self, text: str) -> None:
        """Begin a step."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def progress(self, text: str) -> None:
        """Tell of long work."""
        self._console.print(f"  {text}", markup=False)

    def done(self, text: str, seconds: float | None = None) -> None:
        """Tell what was verified."""
        took = f" ({seconds:.1f} s)" if seconds is not None else ""
        self._console.print(f"  [green]✓[/green] {text}{took}")

    def command(self, line: str, output: list[str]) -> None:
        """Show a command that was run, and what it printed."""
        width = self._console.width - INDENT
        self._console.print(Text(f"  $ {line}", style="dim"))
        for text in output:
            indent = " " * (INDENT + len(text) - len(text.lstrip()))
            for part in wrap(text, width, break_long_words=False) if len(text) > width else [text.lstrip()]:
                self._console.print(Text(f"{indent}{part.strip()}", no_wrap=True))

    @contextmanager
    def live(self) -> Iterator[Callable[[Snapshot], None]]:
        """Give a function that shows a snapshot: in place on a terminal, else whenever something changed."""
        width = self._console.width - INDENT
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False) as live:
                yield lambda seen: live.update(_panel(seen, seen.events[-EVENTS_SHOWN:], width), refresh=True)
            return
        shown: list[str] = []

        def show(seen: Snapshot) -> None:
            picture = _picture(seen)
            if picture not in shown[-1:]:
                shown.append(picture)
                self._console.print(_panel(seen, self._new_events(seen), width))

        yield show

    def _new_events(self, seen: Snapshot) -> list[dict[str, Any]]:
        """Return the Events that a log has not been told of."""
        new = [event for event in seen.events if _event_key(event) not in self._told]
        self._told.update(map(_event_key, new))
        return new

    def summary(self, counts: dict[str, Any], seconds: float) -> None:
        """Say what was done."""
        calls = counts["operations"]
        told = ", ".join(
            f"{number} {name}" for name, number in sorted(calls.items()) if isinstance(number, int)
        )
        self._console.print(
            f"\n[bold green]Every step was verified[/bold green], in {seconds:.0f} s. "
            "MCPServers became AgentCore targets; an edit and a deletion from outside were made good; "
            "deleting the objects removed the targets."
        )
        self._console.print(f"Calls to the simulated AWS: {told}.", markup=False)
        self._console.print(
            "Go on by hand: `make demo KEEP=1` (or `mcp-gateway-operator demo --keep`) leaves everything "
            "running. On a cluster of yours: docs/SETUP.md.",
            markup=False,
        )

    def hand_work(self, kubeconfig: str, endpoint: str, commands: list[str]) -> None:
        """Say how to go on while everything runs."""
        self._console.print("\n[bold]Everything is running.[/bold] In another terminal:\n")
        for line in (kubeconfig, endpoint, "", *commands):
            self._console.print(f"  {line}", markup=False, soft_wrap=True)
        self._console.print("\nCtrl-C stops and removes all of it.")


def _picture(seen: Snapshot) -> str:
    """Return what of a snapshot is worth showing again; ages change all the time."""
    states = [(target["name"], target["status"]) for target in seen.targets.values()]
    return f"{seen.objects} {states} {len(seen.events)}"


def _event_key(event: dict[str, Any]) -> tuple[str, int]:
    return event["metadata"]["name"], event.get("count") or 1


def _panel(seen: Snapshot, events: list[dict[str, Any]], width: int) -> Group:
    targets = [
        (target_id, target["name"], target["status"], seen.endpoint_of(target_id))
        for target_id, target in seen.targets.items()
    ]
    told = [
        (event["type"], event["reason"], event["involvedObject"]["name"], event["message"])
        for event in events
    ]
    return Group(
        *_section("$ kubectl get mcps -o wide", _kubectl_lines(seen.view(), width)),
        *_section("Targets in AWS", fit(targets, width, flexible=[3]) or ["none"]),
        *_section("Events", fit(told, width, flexible=[3]) or ["none"]),
    )


def _kubectl_lines(view: str, width: int) -> list[str]:
    rows = tables.parse(view)
    flexible = [rows[0].index(title) for title in ("MESSAGE", "ENDPOINT") if rows and title in rows[0]]
    if flexible:
        return fit(rows, width, flexible=flexible)
    return view.splitlines()


def _section(title: str, lines: list[str]) -> list[Text]:
    body = [Text(f"{' ' * INDENT}{line}", no_wrap=True, overflow="ellipsis") for line in lines]
    return [Text(f"  {title}", style="dim"), *body]
