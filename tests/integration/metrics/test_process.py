"""The operator as a process, with its own ServiceAccount's rights, on a real API server."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agentcore_simulator import Settings, SimulatorServer
from mcp_gateway_operator_demo.environment import OperatorProcess, free_port, install
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.kube import Kube, is_ready
from tests.integration.operator.site import LOOKS, QUICK
from tests.support.forked import ForkedOperator
from tests.support.polling import until
from tests.unit.metrics.pairs import make_pair, name_of, trusting

HOME = "metrics-tests"
PREFIX = "metrics-tests-"
GATEWAY = "metrics-gateway-abcdefghij"
READER, ON_CALL, OTHER = "prometheus", "on-call", "somebody"


@dataclass
class Place:
    """An installed operator that is not started, and tokens of its callers."""

    cluster: LocalCluster
    kube: Kube
    kubeconfig: Path
    tokens: dict[str, str] = field(repr=False)


@pytest.fixture(scope="module")
def place(cluster: LocalCluster, kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """RBAC and ServiceAccounts; Prometheus and who is on call have the roles that the project ships."""
    directory = tmp_path_factory.mktemp("place")
    install(cluster, directory / "install", namespace=HOME, prefix=PREFIX)
    kubeconfig = cluster.service_account_kubeconfig(
        HOME, f"{PREFIX}controller-manager", path=directory / "operator"
    )
    tokens = {}
    for account in (READER, ON_CALL, OTHER):
        path = cluster.service_account_kubeconfig(HOME, account, path=directory / account)
        tokens[account] = path.with_name(f"{path.name}.token").read_text()
    for account, role in ((READER, "metrics-reader"), (ON_CALL, "debug-reader")):
        cluster.kubectl(
            *("create", "clusterrolebinding", f"{PREFIX}{role}"),
            *(f"--clusterrole={PREFIX}{role}", f"--serviceaccount={HOME}:{account}"),
        )
    return Place(cluster, kube, kubeconfig, tokens)


Start = Callable[..., OperatorProcess]


@pytest.fixture
def start(place: Place, tmp_path: Path) -> Iterator[Start]:
    """Start an operator with these flags."""
    started: list[OperatorProcess] = []
    with SimulatorServer(Settings(durations=QUICK), gateways=[GATEWAY]) as simulator:

        def begin(
            *flags: str, ready: bool = True, made: type[OperatorProcess] = ForkedOperator
        ) -> OperatorProcess:
            process = made(
                tmp_path,
                kubeconfig=place.kubeconfig,
                endpoint_url=simulator.url,
                arguments=[f"--gateway-id={GATEWAY}", f"--leader-election-namespace={HOME}", LOOKS, *flags],
            )
            started.append(process)
            if ready:
                process.wait_ready()
            return process

        yield begin
        for process in started:
            process.stop()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def make_ready(place: Place, namespace: str) -> None:
    """Make an MCPServer `weather` and wait until it is Ready."""
    place.kube.create(namespace, "weather")
    until(lambda: is_ready(place.kube.get(namespace, "weather")), "weather is Ready")


def delete(place: Place, namespace: str) -> None:
    """Delete it, and wait until it is gone."""
    place.kube.delete(namespace, "weather")
    until(lambda: place.kube.get(namespace, "weather") is None, "weather is gone")


def errors_in(process: OperatorProcess) -> list[str]:
    """Return what was logged as an error."""
    lines = (json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{"))
    return [line["msg"] for line in lines if line["level"] == "error"]


def test_only_who_is_on_call_is_told_of_one_object(place: Place, start: Start, namespace: str) -> None:
    """The right to read metrics is not enough, nor is the one for objects enough for metrics."""
    address = f"127.0.0.1:{free_port()}"
    process = start(f"--metrics-bind-address={address}", f"--watch-namespaces={namespace}")
    make_ready(place, namespace)
    url = f"https://{address}/debug/objects/{namespace}/weather"
    on_call = bearer(place.tokens[ON_CALL])
    with httpx2.Client(verify=trusting(), trust_env=False) as client:
        answer = client.get(url, headers=on_call)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        told = answer.json()
        (call,) = told["calls"]
        assert (call["operation"], call["answer"]) == ("CreateGatewayTarget", "OK")
        assert len(call["request_id"]) == 36
        assert told["decision"]["gateway"] == GATEWAY
        assert client.get(f"{url}-2", headers=on_call).status_code == 404
        assert client.get(f"https://{address}/metrics", headers=on_call).status_code == 403
        for path in (url, f"{url}-2"):
            for account in (READER, OTHER):
                assert client.get(path, headers=bearer(place.tokens[account])).status_code == 403
            assert client.get(path, headers=bearer("forged")).status_code == 401
            assert client.get(path).status_code == 401
        assert client.post(url, headers=on_call, content=b"x").status_code == 405
    delete(place, namespace)
    process.stop()
    assert errors_in(process) == []
    assert not any(token in process.log.read_text() for token in place.tokens.values())


@pytest.mark.parametrize("http2", [False, True])
def test_over_tls_only_callers_with_the_right_may_read(place: Place, start: Start, *, http2: bool) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = start(f"--metrics-bind-address={address}", f"--enable-http2={str(http2).lower()}")
    assert process.log.read_text().count("--enable-http2 is accepted and does nothing") == http2
    url = f"https://{address}/metrics"
    with httpx2.Client(verify=trusting(), trust_env=False) as client:
        answer = client.get(url, headers=bearer(place.tokens[READER]))
        assert answer.status_code == 200
        assert client.head(url, headers=bearer(place.tokens[READER])).status_code == 200
        refused = client.get(url, headers=bearer(place.tokens[OTHER]))
        assert refused.status_code == 403
        assert f"system:serviceaccount:{HOME}:{OTHER}" in refused.text
        assert client.get(url).status_code == 401
        assert client.get(url, headers=bearer("forged")).status_code == 401
        assert client.post(url, headers=bearer(place.tokens[READER]), content=b"x").status_code == 405
        assert client.get(f"https://{address}/", headers=bearer(place.tokens[READER])).status_code == 404
    process.stop()
    assert process.returncode == 0
    assert errors_in(process) == []
    assert not any(token in process.log.read_text() for token in place.tokens.values())


def test_the_figures_are_those_of_the_work(place: Place, start: Start, namespace: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    # Other tests leave objects in this API server, and an operator minds all that it sees.
    start(f"--metrics-bind-address={address}", "--metrics-secure=false", f"--watch-namespaces={namespace}")
    make_ready(place, namespace)
    text = httpx2.get(f"http://{address}/metrics", trust_env=False).text
    figures = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in _families(text)
        for sample in family.samples
    }
    ready = ("ready", "True"), ("reason", "GatewayTargetReady"), ("stalled", "False")
    assert figures["mcps_objects", *ready] == 1
    assert figures["mcps_aws_credentials_valid",] == 1
    assert figures["mcps_gateway_targets", ("gateway", GATEWAY)] == 1
    assert figures["mcps_gateway_healthy", ("gateway", GATEWAY)] == 1
    created = ("code", "OK"), ("operation", "CreateGatewayTarget")
    assert figures["mcps_aws_requests_total", *created] == 1
    assert figures["leader_election_master_status", ("name", "b89ac0a6.bedrock.aws")] == 1
    host = ("host", place.cluster.server_url.removeprefix("https://"))
    assert figures["rest_client_requests_total", ("code", "200"), host, ("method", "PATCH")] >= 2
    assert figures["process_resident_memory_bytes",] > 0
    assert ("certwatcher_read_certificate_total",) not in figures
    delete(place, namespace)


def test_the_given_certificate_is_served(place: Place, start: Start, tmp_path: Path) -> None:
    pair = make_pair("localhost")
    (tmp_path / "server.crt").write_bytes(pair.chain)
    (tmp_path / "server.key").write_bytes(pair.key)
    address = f"127.0.0.1:{free_port()}"
    start(
        f"--metrics-bind-address={address}",
        f"--metrics-cert-path={tmp_path}",
        "--metrics-cert-name=server.crt",
        "--metrics-cert-key=server.key",
    )
    with httpx2.Client(verify=trusting(), trust_env=False) as client:
        answer = client.get(f"https://{address}/metrics", headers=bearer(place.tokens[READER]))
        assert answer.status_code == 200
        assert "certwatcher_read_certificate_total 1.0" in answer.text
        connection = answer.extensions["network_stream"].get_extra_info("ssl_object")
        binary = True  # the method takes no keyword
        assert name_of(connection.getpeercert(binary)) == "localhost"


@contextmanager
def silent(*addresses: str, count: int) -> Iterator[None]:
    """Hold connections that say nothing, to each address so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        for address in addresses:
            host, _, port = address.rpartition(":")
            for _ in range(count):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=10.0))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(process: OperatorProcess) -> int:
    """Return the resident memory in kB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def test_1500_silent_connections_cost_next_to_nothing_and_keep_nobody_out(
    place: Place, start: Start, namespace: str
) -> None:
    address = f"127.0.0.1:{free_port()}"
    flags = f"--metrics-bind-address={address}", f"--watch-namespaces={namespace}"
    # The program itself: a fork has memory to spare, in which growth would not show.
    process = start(*flags, made=OperatorProcess)
    make_ready(place, namespace)  # what the first call to AWS takes is not the connections'

    def scrape() -> int:
        with httpx2.Client(verify=trusting(), trust_env=False, timeout=30.0) as client:
            return client.get(f"https://{address}/metrics", headers=bearer(place.tokens[READER])).status_code

    assert scrape() == 200
    before = resident(process)
    with silent(address, process.health.removeprefix("http://"), count=1500):
        assert resident(process) - before < 10_000
        assert httpx2.get(f"{process.health}/healthz", timeout=30.0, trust_env=False).text == "ok"
        assert scrape() == 200
    delete(place, namespace)
    assert errors_in(process) == []


def test_without_a_free_descriptor_probes_are_answered(start: Start) -> None:
    process = start()
    used = max(int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()) + 1
    # Some are for what the operator may yet open to the API server: whoever takes the last one keeps it.
    limit = resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 16, used + 16))
    assert limit
    with silent(process.health.removeprefix("http://"), count=500):
        for _ in range(5):
            assert httpx2.get(f"{process.health}/healthz", timeout=30.0, trust_env=False).text == "ok"
    assert process.returncode is None
    assert process.log.read_text().count("connections cannot be accepted") == 1


def test_a_missing_certificate_ends_the_start_with_a_sentence(start: Start, tmp_path: Path) -> None:
    process = start(
        f"--metrics-bind-address=127.0.0.1:{free_port()}",
        f"--metrics-cert-path={tmp_path / 'nothing'}",
        ready=False,
    )
    assert process.wait(30.0)
    assert process.returncode == 1
    last = process.log.read_text().strip().splitlines()[-1]
    assert re.search(r"The metrics cannot be served: .*tls\.crt: No such file or directory\.", last)


def test_an_address_in_use_ends_the_process_with_a_sentence(start: Start) -> None:
    with httpx2.Client(trust_env=False):
        address = f"127.0.0.1:{free_port()}"
        start(f"--metrics-bind-address={address}", "--metrics-secure=false")
        second = start(f"--metrics-bind-address={address}", "--metrics-secure=false", ready=False)
        assert second.wait(30.0)
        assert second.returncode == 1
        assert any(message.startswith(f"Cannot listen on {address}") for message in errors_in(second))


def test_without_the_rights_to_review_nobody_gets_in_and_the_log_names_the_role(
    place: Place, start: Start
) -> None:
    binding = f"{PREFIX}metrics-auth-rolebinding"
    saved = place.cluster.kubectl("get", "clusterrolebinding", binding, "--output=json").stdout
    place.cluster.kubectl("delete", "clusterrolebinding", binding)
    try:
        address = f"127.0.0.1:{free_port()}"
        process = start(f"--metrics-bind-address={address}")
        with httpx2.Client(verify=trusting(), trust_env=False) as client:
            answer = client.get(f"https://{address}/metrics", headers=bearer(place.tokens[READER]))
        assert (answer.status_code, answer.text) == (500, "Authentication failed\n")
        assert [message for message in errors_in(process) if "metrics-auth-role" in message]
    finally:
        body = json.loads(saved)
        for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            body["metadata"].pop(field, None)
        place.cluster.apply(json.dumps(body))


def test_while_metrics_are_off_nothing_of_them_is_loaded() -> None:
    code = (
        "import sys; import mcp_gateway_operator.cli.run;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('prometheus_client', 'uvicorn', 'cryptography')"
        " or 'metrics_server' in m or m.endswith('runtime.metrics')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  -- ours
    assert done.stdout.strip() == "[]"


def _families(text: str) -> list[Any]:
    return list(text_string_to_metric_families(text))
