"""`demo`: the whole job on this machine, step by step, each step verified."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
from rich.console import Console

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo import teams
from mcp_gateway_operator_demo.commands import Mcps
from mcp_gateway_operator_demo.demo_view import INDENT, Show, Snapshot
from mcp_gateway_operator_demo.demo_view import look as look_at
from mcp_gateway_operator_demo.environment import GATEWAY, REGION, Environment, StartError
from mcp_gateway_operator_demo.localcluster import LocalClusterError
from mcp_gateway_operator_demo.samples import Sample, load_samples

NAMESPACE: Final = "demo"
DRIFT_SECONDS: Final = 3
STEP_SECONDS: Final = 60.0
"""How long a step may take before the demo gives up; each takes a few seconds."""
LOOK_SECONDS: Final = 0.4
"""Between two looks at the cluster and at AWS."""
LOG_WIDTH: Final = 100_000
"""Columns where the output is a file or a pipe: nothing is cut there."""
CHANGED: Final = "https://changed-by-someone.example.com/mcp"
_INTERRUPTED: Final = 130

Holds = Callable[[Snapshot], bool]


class DemoFailedError(RuntimeError):
    """A step could not be verified."""


@click.command("demo", epilog="Example: mcp-gateway-operator demo --keep")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
def command(*, keep: bool) -> None:
    """See the operator at work: real Kubernetes API server, simulated AWS, no cloud account.

    Exit status: 0 when every step was verified, 1 when one was not, 130 after Ctrl-C.
    """
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    console = Console(highlight=False, width=LOG_WIDTH if plain else None)
    try:
        with _signals(), tempfile.TemporaryDirectory(prefix="mcps-demo-") as scratch:
            _run(Path(scratch), console, keep=keep)
    except KeyboardInterrupt:
        console.show_cursor()  # rich leaves it hidden where it was interrupted while it hid it
        console.print("\nStopped; nothing is left running.")
        sys.exit(_INTERRUPTED)
    except (DemoFailedError, LocalClusterError, StartError) as error:
        raise click.ClickException(str(error)) from error


def _run(scratch: Path, console: Console, *, keep: bool) -> None:
    began = time.monotonic()
    samples = load_samples()
    with Environment(scratch) as environment, _uninterrupted_end():
        show = Show(console)
        show.heading("Setting up: etcd, kube-apiserver, the simulated AWS, the operator")
        environment.start_cluster(show.progress)
        show.done("CRD and RBAC of config/ are installed")
        show.done(f"kubectl is {environment.cluster.kubectl_path}")
        asked = {sample.gateway_id for sample in samples if sample.gateway_id}
        gateways = sorted({GATEWAY, *asked})
        others = (name for name in gateways if name != GATEWAY)
        environment.start_simulator(*(part for name in others for part in ("--gateway", name)))
        teams.prepare(environment.simulator.admin)
        show.done(f"AgentCore is simulated at {environment.simulator.url}, in two accounts")
        environment.start_operator(f"--drift-interval={DRIFT_SECONDS}s", "--zap-encoder=console")
        show.done("the operator runs with its ServiceAccount's token, and is ready")
        mcps = Mcps(environment, console.width - INDENT if console.width < LOG_WIDTH else None)
        demo = _Demo(environment, show, samples, gateways, mcps)
        demo.create()
        demo.edit_outside()
        demo.delete_outside()
        demo.two_teams()
        demo.delete_all()
        show.summary(environment.simulator.admin.counts(), time.monotonic() - began)
        if keep:
            demo.create()
            demo.two_teams()
            _explain_hand_work(environment, show)
            _wait_for_interrupt()


class _Demo:
    """The steps; each ends only when what it claims was seen on both sides."""

    def __init__(
        self,
        environment: Environment,
        show: Show,
        samples: list[Sample],
        gateways: list[str],
        mcps: Mcps,
    ) -> None:
        self._environment = environment
        self._mcps = mcps
        self._show = show
        self._samples = samples
        self._gateways = gateways
        self._aws = environment.simulator.admin
        self._pause = threading.Event()

    def create(self) -> None:
        """Apply every sample; each gets a target, READY, and says so."""
        self._show.heading(f"Applying {len(self._samples)} MCPServers of config/samples")
        cluster = self._environment.cluster
        cluster.create_namespace(NAMESPACE)
        manifests = "---\n".join(sample.text for sample in self._samples)
        cluster.kubectl("apply", "--namespace", NAMESPACE, "--filename", "-", input=manifests)
        took = self._until("every MCPServer is Ready, or waits for a person's consent", self._made)
        self._show.done(f"{len(self._samples)} targets made", took)
        self._ask("status", "-n", NAMESPACE)
        self._consent()

    def _consent(self) -> None:
        """Approve what waits for consent, as a person would behind the URL in the status."""
        waiting = [item for item in self._look().objects if not item.ready]
        if not waiting:
            return
        names = ", ".join(item.name for item in waiting)
        self._show.heading(f"{names} waits for a person's consent (status.authorizationUrl): giving it")
        for item in waiting:
            self._aws.consent(item.target_id)
        took = self._until("every MCPServer is Ready and its target READY", self._settled)
        self._show.done("all Ready", took)

    def _ask(self, *arguments: str) -> None:
        """Run a command of `mcps`, and show it."""
        self._show.command(f"mcps {' '.join(arguments)}", self._mcps(*arguments))

    def edit_outside(self) -> None:
        """Change a target behind the operator's back; it is changed back."""
        victim = self._look().objects[0]
        self._show.heading(f"Somebody edits the target of {victim.name} in AWS, past the operator")
        self._aws.edit_target(
            victim.target_id, targetConfiguration={"mcp": {"mcpServer": {"endpoint": CHANGED}}}
        )
        took = self._until(
            f"the target of {victim.name} has its endpoint back",
            lambda seen: (
                self._settled(seen)
                and seen.endpoint_of(victim.target_id) == victim.endpoint
                and seen.has_event(victim.name, "DriftRepaired")
            ),
        )
        self._show.done("noticed and repaired, with an Event that names the field", took)

    def delete_outside(self) -> None:
        """Delete a target behind the operator's back; it is made again."""
        victim = self._look().objects[-1]
        self._ask("owner", victim.target_id)
        self._show.heading(f"Somebody deletes the target of {victim.name} in AWS")
        self._aws.delete_target(victim.target_id)
        took = self._until(
            f"{victim.name} has a new target",
            lambda seen: (
                self._settled(seen)
                and victim.target_id not in seen.targets
                and seen.object(victim.name).target_id != victim.target_id
            ),
        )
        self._show.done("noticed, made sure of, and created again", took)

    def two_teams(self) -> None:
        """Let two teams name one MCPGateway of another account, which permits one of them alone."""
        permitted, refused = teams.TEAMS
        self._show.heading(
            f"Two teams, two accounts: an MCPGateway of {teams.ACCOUNT} permits {permitted} alone"
        )
        cluster = self._environment.cluster
        for team in teams.TEAMS:
            cluster.create_namespace(team)
        cluster.kubectl("apply", "--filename", "-", input=teams.manifests())
        took = self._until_of_teams("one is Ready and one NotPermitted", ["NotPermitted", "True"])
        self._show.done(f"{permitted} has its target there, made under the role {teams.ROLE}", took)
        self._show.done(f"{refused} is refused without a call to AWS")
        self._ask("status", "-A", "--gateway", teams.CLASS)
        self._ask("why", teams.SERVER, "-n", refused)

    def _until_of_teams(self, what: str, wanted: list[str]) -> float:
        """Wait until the teams' objects say so: each that its Ready is True, or the reason why not.

        Those that are Ready, and no others, have a target in the other account.
        """
        path = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{{}}/{names.PLURAL}"

        def holds(_seen: Snapshot) -> bool:
            cluster = self._environment.cluster
            found = [item for team in teams.TEAMS for item in cluster.get(path.format(team))["items"]]
            made = [teams.target_of(item["metadata"]["namespace"]) for item in found if _says(item) == "True"]
            said = sorted(_says(item) for item in found)
            return said == wanted and teams.targets(self._aws) == made

        return self._until(what, holds)

    def delete_all(self) -> None:
        """Delete the objects; they go only when their targets are gone."""
        self._show.heading("Deleting all MCPServers")
        cluster = self._environment.cluster
        cluster.kubectl("delete", "mcps", "--all", "--all-namespaces", "--wait=false")
        took = self._until(
            "every target and every object is gone", lambda seen: not seen.objects and not seen.targets
        )
        took += self._until_of_teams("both teams' MCPServers are gone", [])
        cluster.kubectl("delete", "mcpgateways", teams.CLASS)
        self._show.done("targets first, then the objects: nothing is left behind", took)

    def _made(self, seen: Snapshot) -> bool:
        return (
            len(seen.objects) == len(self._samples)
            and all(item.ready or item.waits_for_consent for item in seen.objects)
            and {item.target_id for item in seen.objects} == set(seen.targets)
        )

    def _settled(self, seen: Snapshot) -> bool:
        return (
            self._made(seen)
            and all(item.ready for item in seen.objects)
            and all(target["status"] == "READY" for target in seen.targets.values())
        )

    def _look(self) -> Snapshot:
        return look_at(self._environment, NAMESPACE, self._gateways)

    def _until(self, what: str, holds: Holds) -> float:
        """Look, and show what is seen, until something holds; return the seconds that took.

        Raises:
            DemoFailedError: it does not come to hold, or the operator ended.
        """
        began = time.monotonic()
        with self._show.live() as refresh:
            while True:
                seen = self._look()
                refresh(seen)
                if holds(seen):
                    return time.monotonic() - began
                self._pause.wait(LOOK_SECONDS)
                operator = self._environment.operator
                if operator.returncode is not None or time.monotonic() - began > STEP_SECONDS:
                    raise DemoFailedError(
                        f"Not seen within {STEP_SECONDS:.0f} s: {what}. The operator's last lines:\n"
                        + "\n".join(operator.log.read_text(encoding="utf-8").splitlines()[-15:])
                    )


def _says(item: dict[str, Any]) -> str:
    conditions = item.get("status", {}).get("conditions", ())
    ready = next((each for each in conditions if each["type"] == "Ready"), {"status": "", "reason": ""})
    return "True" if ready["status"] == "True" else str(ready["reason"])


def _explain_hand_work(environment: Environment, show: Show) -> None:
    first = load_samples()[0].name
    kubectl, program = environment.cluster.kubectl_path, f"{sys.executable} -m mcp_gateway_operator"
    patch = json.dumps({"spec": {"description": "hello"}})
    show.hand_work(
        f"export KUBECONFIG={environment.cluster.kubeconfig}",
        f"export AWS_ENDPOINT_URL={environment.simulator.url} AWS_DEFAULT_REGION={REGION}"
        f" MCPS_GATEWAY_ID={GATEWAY}"
        " AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
        [
            f"{kubectl} get mcps -n {NAMESPACE} -o wide --watch",
            f"{program} status -n {NAMESPACE} --watch",
            f"{program} why {first} -n {NAMESPACE}",
            f"{program} plan -n {teams.TEAMS[0]} --assume-class-roles",
            f"{kubectl} patch mcps {first} -n {NAMESPACE} --type=merge -p '{patch}'",
            f"curl -s {environment.simulator.url}/_sim/counts",
            f"tail -f {environment.operator.log}",
        ],
    )


def _wait_for_interrupt() -> None:
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """The end has begun and takes a few seconds; another Ctrl-C would leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def _signals() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that `timeout` and CI leave nothing running either."""
    before = [(number, signal.signal(number, _interrupt)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _uninterrupted_end() -> Iterator[None]:
    """Ignore signals from the end of the block on, also when no signal ends it."""
    try:
        yield
    finally:
        _ignore_signals()
