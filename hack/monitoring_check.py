"""Has a real Prometheus watch a real operator: `make monitoring-check`.

Prometheus reads the operator over TLS with a token of the role `metrics-reader`; the operator works on a real
API server and the simulated AWS. With a healthy fleet, and then with credentials that AWS refuses, each query
of the dashboard has to have data. In the healthy fleet no alert may fire, nor for what tenants do wrong, and
of each outage the one that belongs to it and no other. The rules are those of `config/prometheus`, with `for`
in seconds where they say minutes: the tests hold them to the minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml
from debian_prometheus import Programs, UnavailableError, ensure_prometheus

from mcp_gateway_operator_demo.environment import GATEWAY, NAMESPACE, Environment, free_port
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "config" / "prometheus" / "rules.yaml"
DASHBOARD = ROOT / "config" / "prometheus" / "dashboard.json"
SERVERS = 20
"""MCPServers, unless `--servers` says otherwise."""
TOOLS = "tools-abcdefghij"
TARGETS = 5000
QUOTAS = f"create=100,update=100,sync=100,get=100,list=100,gateway-writes=50,gateway-targets={TARGETS}"
"""What the operator takes AWS to allow here: room for all of them, and no waiting for turns."""
SETTLES = 75.0
"""Seconds that nothing may fire in a healthy fleet: longer than any `for` of an hour, in seconds."""
PATIENCE = 240.0
"""Seconds until something has to have come; a busy machine takes its time."""
PATHS = {
    "MCPGateway": "/apis/mcpgateway.bedrock.aws/v1alpha1/mcpgateways",
    "MCPServer": "/apis/mcpgateway.bedrock.aws/v1alpha1/namespaces/default/mcpservers",
}
SHORTER = {"s": "s", "m": "s", "h": "m"}
LEAST = 10
"""Servers that have to fail at the same time for it to be more than their own affair."""
FIRING = 'ALERTS{alertstate="firing"}'


class CheckError(RuntimeError):
    """Something is not as it should be; the text says what."""


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, flush=True)


class Prometheus:
    """A Prometheus that reads one operator."""

    def __init__(self, program: Path, directory: Path, *, target: str, token: Path) -> None:
        address = f"127.0.0.1:{free_port()}"
        self._client = httpx2.Client(base_url=f"http://{address}", timeout=10.0, trust_env=False)
        (directory / "rules.yaml").write_text(yaml.safe_dump(_rules()), encoding="utf-8")
        config = directory / "prometheus.yaml"
        config.write_text(json.dumps(_config(target, token)), encoding="utf-8")
        self._process = ServerProcess(
            "prometheus",
            [
                str(program),
                f"--config.file={config}",
                f"--web.listen-address={address}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--log.level=warn",
            ],
            log=directory / "prometheus.log",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process.start()
        until(self._is_ready, lambda: f"Prometheus does not answer:\n{self._process.tail()}")

    def stop(self) -> None:
        """End it."""
        self._process.stop(10.0)
        self._client.close()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression says now, as (labels, value)."""
        answer = self._client.get("/api/v1/query", params={"query": expression}).json()
        if answer["status"] != "success":
            raise CheckError(f"Prometheus does not take {expression}: {answer['error']}")
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def firing(self) -> set[str]:
        """Return the alerts that fire now."""
        return {labels["alertname"] for labels, _ in self.query(FIRING)}

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False


def _rules() -> dict[str, Any]:
    groups: dict[str, Any] = {"groups": yaml.safe_load(RULES.read_text(encoding="utf-8"))["spec"]["groups"]}
    for group in groups["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = re.sub(r"[smh]$", lambda unit: SHORTER[unit[0]], rule["for"])
    return groups


def _config(target: str, token: Path) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "operator",
                "scheme": "https",
                "authorization": {"credentials_file": str(token)},
                "tls_config": {"insecure_skip_verify": True},
                "static_configs": [
                    {"targets": [target], "labels": {"namespace": NAMESPACE, "pod": "operator"}}
                ],
            }
        ],
    }


def until(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait for something.

    Raises:
        CheckError: it did not come.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise CheckError(otherwise())
        time.sleep(1.0)


def without_data(prometheus: Prometheus) -> list[str]:
    """Return the queries of the dashboard that have no data at present."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > len(panels) // 2
    sent = {each: each.replace("$namespace", ".*").replace("$__rate_interval", "1m") for each in queries}
    return [
        query
        for query, expression in sent.items()
        if all(math.isnan(value) for _, value in prometheus.query(expression))
    ]


def fleet(servers: int) -> Iterator[dict[str, Any]]:
    """What tenants and the platform team write: so many servers, half of them on an MCPGateway's gateway."""
    everything = {"authTypes": ["*"], "grantTypes": ["*"], "endpoints": ["*"], "providers": ["*"]}
    arn = f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{TOOLS}"
    yield {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPGateway",
        "metadata": {"name": "tools"},
        "spec": {"gatewayArn": arn, "allow": [{"namespaces": {}, **everything}]},
    }
    for number in range(servers):
        yield _server(f"server-{number}", **({"gatewayRef": {"name": "tools"}} if number % 2 else {}))


def _server(name: str, **spec: Any) -> dict[str, Any]:
    least = {"endpoint": f"https://{name}.example.com/mcp", "capabilities": ["tools"], "authType": "NoAuth"}
    return {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**least, **spec},
    }


@contextmanager
def installation(directory: Path) -> Iterator[tuple[Environment, str, Path]]:
    """Have an operator run; yield it, where its metrics are, and the file with a token that may read them."""
    with Environment(directory) as site:
        site.start_cluster(say)
        cluster, account = site.cluster, "prometheus"
        kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, account, path=directory / account)
        cluster.kubectl(
            *("create", "clusterrolebinding", "prometheus", "--clusterrole=agent-op-metrics-reader"),
            f"--serviceaccount={NAMESPACE}:{account}",
        )
        site.start_simulator("--gateway", TOOLS)
        target = f"127.0.0.1:{free_port()}"
        site.start_operator(
            f"--metrics-bind-address={target}", "--drift-interval=5s", f"--aws-quotas={QUOTAS}"
        )
        yield site, target, kubeconfig.with_name(f"{kubeconfig.name}.token")


def check_format(programs: Programs, target: str, token: Path) -> None:
    """Have promtool read what the operator shows."""
    bearer = {"authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"}
    with httpx2.Client(verify=False, trust_env=False) as client:
        scrape = client.get(f"https://{target}/metrics", headers=bearer).raise_for_status().content
    done = subprocess.run(  # noqa: S603  -- our own program
        [programs.promtool, "check", "metrics"], input=scrape, capture_output=True, check=False, timeout=60
    )
    if done.returncode or done.stdout or done.stderr:
        raise CheckError(f"`promtool check metrics` says: {(done.stdout + done.stderr).decode()}")
    say(f"`promtool check metrics` has nothing to say of {len(scrape)} bytes")


def check(programs: Programs, directory: Path, servers: int) -> None:
    """Go through a healthy fleet, what tenants do wrong, and outages.

    Raises:
        CheckError: something is not as it should be.
    """
    with installation(directory) as (site, target, token):
        site.simulator.admin.configure(quotas={"enabled": False, "targets_per_gateway": TARGETS})
        for each in fleet(servers):
            site.cluster.post(PATHS[each["kind"]], each)
        until(lambda: not _waiting(site), lambda: f"{_waiting(site)} MCPServers are not Ready")
        say(f"{servers} MCPServers are Ready on two gateways, one of them an MCPGateway's")
        check_format(programs, target, token)
        prometheus = Prometheus(programs.prometheus, directory, target=target, token=token)
        try:
            prometheus.start()
            _healthy(prometheus, site)
            _tenants(prometheus, site)
            _many_fail(prometheus, site)
            _gateway_deleted(prometheus, site)
            _broken(prometheus, site)
        finally:
            prometheus.stop()


def _waiting(site: Environment) -> int:
    """Return how many MCPServers are not Ready."""
    found = [each.get("status", {}) for each in site.cluster.get(PATHS["MCPServer"])["items"]]
    ready = {"type": "Ready", "status": "True"}
    return sum(
        not any(ready.items() <= condition.items() for condition in status.get("conditions", ()))
        for status in found
    )


def _healthy(prometheus: Prometheus, site: Environment) -> None:
    until(
        lambda: not without_data(prometheus),
        lambda: f"Healthy, and these have no data: {without_data(prometheus)}",
    )
    say("Healthy: every panel has data")
    _silent(prometheus, "Healthy", SETTLES)
    site.cluster.check()


def _tenants(prometheus: Prometheus, site: Environment) -> None:
    """A typo, an id that nobody has, and a pause: nobody is woken for them."""
    mistakes: dict[str, dict[str, Any]] = {
        "typo": {"allowedRequestHeaders": ["Authorization"]},
        "nowhere": {"gatewayId": "missing-0123456789"},
        "taken": {"targetName": "server-0"},
    }
    items = [_server(name, **spec) for name, spec in mistakes.items()]
    site.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    site.cluster.kubectl("annotate", "mcps", "server-1", "mcpgateway.bedrock.aws/paused=true")
    _silent(prometheus, "A tenant's typos and a pause", SETTLES)
    site.cluster.kubectl("delete", "mcps", *mistakes, "--wait=false")
    site.cluster.kubectl("annotate", "mcps", "server-1", "mcpgateway.bedrock.aws/paused-")


def _many_fail(prometheus: Prometheus, site: Environment) -> None:
    """Three servers of ten stop to answer at once."""
    why = ["Failed to connect and fetch tools from the provided MCP target server."]
    admin = site.simulator.admin
    ours = [each for each in admin.targets(TOOLS) if each["name"].startswith("server-")]
    ours += [each for each in admin.targets(GATEWAY) if each["name"].startswith("server-")]
    failing = ours[: max(len(ours) * 3 // 10, LEAST)]
    admin.set_scenarios([{"outcome": "failed", "reasons": why}])
    for each in failing:
        admin.set_status(each["targetId"], "FAILED", why)
    say(f"{len(failing)} of {len(ours)} targets have failed")
    _fires(prometheus, "MCPServersFailTogether")
    admin.set_scenarios([])
    until(lambda: not prometheus.firing(), lambda: f"Mended, and these fire: {sorted(prometheus.firing())}")


def _gateway_deleted(prometheus: Prometheus, site: Environment) -> None:
    site.simulator.admin.delete_gateway(TOOLS)
    say(f"Gateway {TOOLS} is deleted")
    _fires(prometheus, "MCPGatewayNotListed")
    site.simulator.admin.create_gateway(TOOLS)
    until(lambda: not prometheus.firing(), lambda: f"Mended, and these fire: {sorted(prometheus.firing())}")


def _silent(prometheus: Prometheus, what: str, seconds: float) -> None:
    """See that nothing fires for so long."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if firing := prometheus.firing():
            raise CheckError(f"{what}, and these fire: {sorted(firing)}")
        time.sleep(2.0)
    say(f"{what}: no alert in {seconds:.0f} s")


def _broken(prometheus: Prometheus, site: Environment) -> None:
    site.simulator.admin.add_fault(count=None, code="ExpiredTokenException")
    say("AWS refuses the credentials from now on")
    _fires(prometheus, "MCPOperatorCredentials")
    if lacking := without_data(prometheus):
        raise CheckError(f"Broken, and these have no data: {lacking}")
    say("Broken: every panel has data")
    site.operator.stop()
    say("The operator is stopped")
    _fires(prometheus, "MCPOperatorGone")


def _fires(prometheus: Prometheus, alert: str) -> None:
    """Wait for an alert, and see that it is the only one for a while."""
    until(
        lambda: prometheus.firing() == {alert},
        lambda: f"{alert} should fire, and these do: {sorted(prometheus.firing())}",
    )
    ends = time.monotonic() + SETTLES / 2
    while time.monotonic() < ends:
        if (firing := prometheus.firing()) != {alert}:
            raise CheckError(f"{alert} should fire alone, and these do: {sorted(firing)}")
        time.sleep(2.0)
    say(f"{alert} fires, and no other")


def main() -> int:
    """Check, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=SERVERS)
    servers = parser.parse_args().servers
    try:
        programs = ensure_prometheus(progress=say)
        say(f"Prometheus: {programs.prometheus}")
        with tempfile.TemporaryDirectory(prefix="mcps-monitoring-") as directory:
            check(programs, Path(directory), servers)
    except (CheckError, UnavailableError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
