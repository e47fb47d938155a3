"""One installation of the operator for a test: a namespace, a simulated AWS, and processes to start."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import yaml

from agentcore_simulator import Settings, SimulatorServer
from agentcore_simulator.settings import Durations
from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.environment import OperatorProcess
from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.kube import Json, Kube, condition, is_ready
from tests.support.forked import ForkedOperator
from tests.support.polling import SECONDS, until

HOME = "operator-home"
"""The namespace of the ServiceAccount, and the names of what `install` makes."""
PREFIX = "operator-it-"
ACCOUNT = f"{PREFIX}controller-manager"
GATEWAY = "tools-gateway-abcdefghij"
OTHER_GATEWAY = "other-gateway-abcdefghij"
NAMESPACE_GUARD = f"namespace-{names.GUARD_NAME}"
"""The guard in a namespace that is watched alone."""
LOOKS = "--drift-interval=200ms"
"""Idle or at work, a gateway is looked at five times a second: most of what a test waits for is a look."""
QUICK = Durations(creating=0.03, updating=0.03, synchronizing=0.03, deleting=0.03, gateway=0.03)
"""What AWS takes, where a test is not about that."""
BRIEF_LEASE = (
    "--leader-elect-lease-duration=9s",
    "--leader-elect-renew-deadline=5s",
    "--leader-elect-retry-period=1s",
)
"""The shortest lease that leaves room for a call to AWS, where a test has to wait until it has run out."""

_ROLES = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_names = itertools.count(1)


@cache
def _lease_rights() -> tuple[Json, ...]:
    parts = ("leader_election_role", "leader_election_role_binding", "guard_role", "guard_role_binding")
    files = (project_dir("config/rbac") / f"{part}.yaml" for part in parts)
    return tuple(yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)


def lease_rights(namespace: str, guard: str = NAMESPACE_GUARD) -> Iterator[tuple[str, Json]]:
    """Yield the Roles of `config/rbac` for Lease and guard, and their bindings, for another namespace.

    Each with the path where such objects are made.
    """
    for document in deepcopy(_lease_rights()):
        document["metadata"]["namespace"] = namespace
        for rule in document.get("rules", ()):
            if names.GUARD_NAME in rule.get("resourceNames", ()):
                rule["resourceNames"] = [guard]
        for subject in document.get("subjects", ()):
            subject.update(name=ACCOUNT, namespace=HOME)
        yield f"{_ROLES}/namespaces/{namespace}/{document['kind'].lower()}s", document


def make_home(cluster: LocalCluster, namespace: str) -> None:
    """Make a namespace where the operator may hold its Lease and the guard."""
    cluster.create_namespace(namespace)
    for path, document in lease_rights(namespace):
        cluster.post(path, document)
    rule = {"verbs": ["update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    _until_allowed(cluster, ACCOUNT, {**rule, "resourceNames": [NAMESPACE_GUARD]}, namespace)


@contextmanager
def granted(cluster: LocalCluster, account: str, rules: list[Json], *, namespace: str = "") -> Iterator[None]:
    """Give a ServiceAccount of `HOME` a role of its name, for all namespaces or one, and take it away."""
    kind, place = ("Role", f"/namespaces/{namespace}") if namespace else ("ClusterRole", "")
    metadata = {"name": account}
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": HOME}],
    }
    made = {f"{kind}s": {"metadata": metadata, "rules": rules}, f"{kind}Bindings": binding}
    paths = [f"{_ROLES}{place}/{kinds.lower()}" for kinds in made]
    try:
        for path, document in zip(paths, made.values(), strict=True):
            cluster.post(path, document)
        _until_allowed(cluster, account, rules[0], namespace)
        yield
    finally:
        for path in paths:
            cluster.delete(f"{path}/{account}")


def _until_allowed(cluster: LocalCluster, account: str, rule: Json, namespace: str) -> None:
    """Wait until a rule counts: the API server's own watch must have seen it."""
    asked = {"verb": "verbs", "group": "apiGroups", "resource": "resources", "name": "resourceNames"}
    attributes = {each: rule[members][0] for each, members in asked.items() if members in rule}
    user = f"system:serviceaccount:{HOME}:{account}"
    review = {"spec": {"user": user, "resourceAttributes": {**attributes, "namespace": namespace}}}
    until(lambda: cluster.post(_REVIEWS, review)["status"]["allowed"], "the rights are there")


@contextmanager
def open_site(
    cluster: LocalCluster,
    kube: Kube,
    kubeconfig: Path,
    directory: Path,
    *,
    flags: tuple[str, ...] = (LOOKS,),
    settings: Settings | None = None,
    namespace: str = "",
) -> Iterator[Site]:
    """Make a namespace where the operator may hold its Lease, and a simulated AWS; end all at the end."""
    name = namespace or f"site-{next(_names)}"
    make_home(cluster, name)
    with SimulatorServer(
        settings or Settings(durations=QUICK), gateways=[GATEWAY, OTHER_GATEWAY]
    ) as simulator:
        site = Site(cluster, kube, name, simulator, directory, kubeconfig, flags)
        try:
            yield site
        finally:
            site.close()


@dataclass
class Bill:
    """What something cost: filled in when the `with` block of `Site.bill` ends."""

    writes: int = 0
    """Requests that wrote MCPServers or their status, the test's own aside."""
    calls: Counter[str] = field(default_factory=Counter)
    """AWS calls by operation."""

    @property
    def aws_writes(self) -> dict[str, int]:
        """AWS calls other than Gets and Lists."""
        return {name: n for name, n in self.calls.items() if not name.startswith(("Get", "List", "sts:"))}


@dataclass
class Site:
    """See the module; `start` makes as many operator processes as a test wants."""

    cluster: LocalCluster
    kube: Kube
    namespace: str
    simulator: SimulatorServer
    directory: Path
    kubeconfig: Path
    flags: tuple[str, ...] = ()
    processes: list[OperatorProcess] = field(default_factory=list)

    def home(self) -> Path:
        """Return the directory of the next process, which may put its log there."""
        return self.directory / f"{self.namespace}-operator-{len(self.processes)}"

    def start(
        self,
        *flags: str,
        ready: bool = True,
        kubeconfig: Path | None = None,
        endpoint_url: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> OperatorProcess:
        """Start an operator for this namespace; `flags` replace those given to every one."""
        home = self.home()
        home.mkdir(exist_ok=True)
        process = ForkedOperator(
            home,
            kubeconfig=kubeconfig or self.kubeconfig,
            endpoint_url=endpoint_url or self.simulator.url,
            arguments=[
                f"--gateway-id={GATEWAY}",
                f"--leader-election-namespace={self.namespace}",
                f"--watch-namespaces={self.namespace}",
                *self.flags,
                *flags,
            ],
            # The processes of a site share a host, so the lock file that proves a predecessor dead, too.
            environment={"XDG_RUNTIME_DIR": str(self.directory), **(environment or {})},
        )
        self.processes.append(process)
        if ready:
            process.wait_ready()
        return process

    def close(self) -> None:
        """End all processes and remove the objects, so that the CRD can be deleted by others."""
        for process in reversed(self.processes):
            process.stop()
        self.kube.delete_all(self.namespace)

    # What a user does and sees.

    def create(self, name: str = "weather", metadata: Json | None = None, **spec: Any) -> Json:
        """Create an MCPServer."""
        return self.kube.create(self.namespace, name, metadata, **spec)

    def edit(self, name: str = "weather", **spec: Any) -> Json:
        """Change members of an MCPServer's spec."""
        return self.kube.edit(self.namespace, name, lambda obj: obj["spec"].update(spec))

    def delete(self, name: str = "weather") -> None:
        """Delete an MCPServer."""
        self.kube.delete(self.namespace, name)

    def get(self, name: str = "weather") -> Json | None:
        """Return an MCPServer."""
        return self.kube.get(self.namespace, name)

    def until_ready(self, name: str = "weather", seconds: float = SECONDS) -> Json:
        """Wait until an MCPServer is Ready in its newest generation, and return it."""
        obj: Json = until(
            lambda: obj if is_ready(obj := self.get(name)) else None, f"{name} is Ready", seconds
        )
        return obj

    def until_reason(self, reason: str, name: str = "weather", seconds: float = SECONDS) -> Json:
        """Wait until the Ready condition of the newest generation has this reason; return the condition."""
        return self.until_reason_of(name, {reason}, seconds)

    def until_reason_of(self, name: str, reasons: set[str], seconds: float = SECONDS) -> Json:
        """Wait as `until_reason` does, for one of several reasons."""

        def look() -> Json | None:
            obj = self.get(name)
            found = condition(obj)
            newest = obj is not None and found.get("observedGeneration") == obj["metadata"]["generation"]
            return found if newest and found["reason"] in reasons else None

        result: Json = until(look, f"{name} has a reason of {reasons}", seconds)
        return result

    def until_paused(self, name: str = "weather", seconds: float = SECONDS) -> None:
        """Wait until an MCPServer says that it is paused."""
        until(lambda: condition(self.get(name), "Paused").get("status") == "True", f"{name} pauses", seconds)

    def until_gone(self, name: str = "weather", seconds: float = SECONDS) -> None:
        """Wait until an MCPServer does not exist any more."""
        until(lambda: self.get(name) is None, f"{name} is gone", seconds)

    def target_id(self, name: str = "weather") -> str:
        """Return the target id that an MCPServer's status records, "" when there is none."""
        return str((self.get(name) or {}).get("status", {}).get("targetId", ""))

    def targets(self, gateway: str = GATEWAY) -> list[Json]:
        """Return the targets in AWS."""
        return self.simulator.admin.targets(gateway)

    def until_calls(self, operation: str, number: int, seconds: float = SECONDS) -> None:
        """Wait until AWS has seen this many calls of an operation from now on."""
        before = self._calls()[operation]
        until(lambda: self._calls()[operation] >= before + number, f"{number} {operation}", seconds)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop AWS's time for the `with` block: what is CREATING or DELETING stays so, calls are answered."""
        self.simulator.admin.freeze()
        try:
            yield
        finally:
            self.simulator.admin.resume()

    @contextmanager
    def bill(self) -> Iterator[Bill]:
        """Count the writes and AWS calls of the `with` block."""
        writes, calls = self.kube.writes(), self._calls()
        bill = Bill()
        yield bill
        bill.writes = self.kube.writes() - writes
        bill.calls = self._calls() - calls

    def _calls(self) -> Counter[str]:
        return Counter(self.simulator.admin.counts()["operations"])


def logs(process: OperatorProcess) -> list[Json]:
    """Return what a process has logged, a JSON object a line."""
    return [json.loads(line) for line in process.log.read_text(encoding="utf-8").splitlines()]


def said(process: OperatorProcess, words: str) -> list[Json]:
    """Return the log lines whose message contains `words`."""
    return [line for line in logs(process) if words in line["msg"]]


def kill(process: OperatorProcess) -> None:
    """SIGKILL, and wait for the end."""
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10.0)


def ask(process: OperatorProcess, path: str) -> tuple[int, str]:
    """Return status and body of a health endpoint."""
    answer = httpx2.get(f"{process.health}{path}", timeout=20.0)
    return answer.status_code, answer.text
