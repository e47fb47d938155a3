"""boto3 against the simulator over HTTP."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from agentcore_simulator import SimulatorServer

from .conftest import GATEWAY, client, eventually, server


def gone(control: Any, target: str) -> bool:
    try:
        control.get_gateway_target(gatewayIdentifier=GATEWAY, targetId=target)
    except control.exceptions.ResourceNotFoundException:
        return True
    return False


def test_the_life_of_a_target(simulator: SimulatorServer) -> None:
    control = client(simulator.url)
    made = control.create_gateway_target(
        gatewayIdentifier=GATEWAY, name="tools", description="d", targetConfiguration=server()
    )
    key = {"gatewayIdentifier": GATEWAY, "targetId": made["targetId"]}

    def status() -> str:
        return str(control.get_gateway_target(**key)["status"])

    assert made["status"] == "CREATING"
    eventually(lambda: status() == "READY")
    assert (
        control.update_gateway_target(**key, name="tools", targetConfiguration=server())["status"]
        == "UPDATING"
    )
    eventually(lambda: status() == "READY")
    control.synchronize_gateway_targets(gatewayIdentifier=GATEWAY, targetIdList=[made["targetId"]])
    assert status() == "SYNCHRONIZING"
    eventually(lambda: status() == "READY")
    rows = (
        control.get_paginator("list_gateway_targets").paginate(gatewayIdentifier=GATEWAY).build_full_result()
    )
    assert [row["name"] for row in rows["items"]] == ["tools"]
    assert control.delete_gateway_target(**key)["status"] == "DELETING"
    eventually(lambda: gone(control, made["targetId"]))


def test_errors_arrive_as_modelled_exceptions(simulator: SimulatorServer) -> None:
    control = client(simulator.url)
    with pytest.raises(control.exceptions.ValidationException) as caught:
        control.create_gateway_target(
            gatewayIdentifier=GATEWAY, name="bad_name", targetConfiguration=server()
        )
    assert caught.value.response["reason"] == "FieldValidationFailed"
    assert caught.value.response["fieldList"][0]["name"] == "name"
    arn = f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{GATEWAY}"
    with pytest.raises(control.exceptions.AccessDeniedException):
        control.get_gateway(gatewayIdentifier=arn)


def test_sts_answers_on_the_same_port(simulator: SimulatorServer) -> None:
    assert client(simulator.url, "sts").get_caller_identity()["Account"] == "123456789012"
    own = client(simulator.url, "sts", aws_access_key_id="210987654321")
    assert own.get_caller_identity()["Account"] == "210987654321"


def test_the_endpoint_comes_from_the_environment(
    simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
    control = client(None)  # type: ignore[arg-type]  # no endpoint_url: boto3 reads the variable
    assert control.list_gateways()["items"][0]["gatewayId"] == GATEWAY


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_a_lost_answer_is_a_closed_connection(simulator: SimulatorServer, kind: str) -> None:
    simulator.admin.add_fault(operation="CreateGatewayTarget", kind=kind, commit=True)
    control = client(simulator.url)
    with pytest.raises(ConnectionClosedError):
        control.create_gateway_target(gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server())
    assert [target["name"] for target in simulator.admin.targets(GATEWAY)] == ["tools"]


def test_a_hang_lasts_until_the_client_gives_up(simulator: SimulatorServer) -> None:
    simulator.admin.add_fault(operation="GetGateway", kind="hang")
    impatient = client(simulator.url, config=Config(retries={"total_max_attempts": 1}, read_timeout=0.3))
    with pytest.raises(ReadTimeoutError):
        impatient.get_gateway(gatewayIdentifier=GATEWAY)
    assert impatient.get_gateway(gatewayIdentifier=GATEWAY)["status"] == "READY"


def test_latency_is_really_waited_for(simulator: SimulatorServer) -> None:
    simulator.admin.configure(latency=0.3)
    control = client(simulator.url)
    began = time.monotonic()
    control.list_gateways()
    assert time.monotonic() - began >= 0.3


def test_concurrent_writes_are_limited_by_the_calls_under_way(simulator: SimulatorServer) -> None:
    simulator.admin.configure(latency=0.5, quotas={"enabled": True, "rates": {"CreateGatewayTarget": 1000}})
    control = client(simulator.url, config=Config(retries={"total_max_attempts": 1}, max_pool_connections=12))

    def create(number: int) -> str:
        try:
            control.create_gateway_target(
                gatewayIdentifier=GATEWAY, name=f"t{number}", targetConfiguration=server()
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "accepted"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(create, range(12)))
    assert outcomes.count("accepted") == 5
    assert outcomes.count("ThrottlingException") == 7


def test_many_clients_at_once_lose_nothing(simulator: SimulatorServer) -> None:
    simulator.admin.configure(quotas={"targets_per_gateway": 1000})
    control = client(simulator.url, config=Config(max_pool_connections=16))

    def create(number: int) -> str:
        answer = control.create_gateway_target(
            gatewayIdentifier=GATEWAY, name=f"t{number}", targetConfiguration=server()
        )
        return str(answer["targetId"])

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(create, range(200)))
    assert len(ids) == 200
    pages = control.get_paginator("list_gateway_targets").paginate(
        gatewayIdentifier=GATEWAY, PaginationConfig={"PageSize": 33}
    )
    assert {row["targetId"] for page in pages for row in page["items"]} == ids


def test_two_simulators_do_not_know_each_other(simulator: SimulatorServer) -> None:
    with SimulatorServer(gateways=["other-abcdefghij"]) as other:
        assert client(other.url).list_gateways()["items"][0]["gatewayId"] == "other-abcdefghij"
    assert client(simulator.url).list_gateways()["items"][0]["gatewayId"] == GATEWAY


def test_a_stopped_simulator_leaves_its_port() -> None:
    with SimulatorServer() as running:
        url = running.url
    port = int(url.rsplit(":", 1)[1])
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_a_stop_ends_every_connection_also_one_that_waits_for_an_answer() -> None:
    with SimulatorServer(gateways=[GATEWAY]) as running, ThreadPoolExecutor(1) as pool:
        running.admin.add_fault(operation="GetGateway", kind="hang")
        waiting = client(running.url, config=Config(retries={"total_max_attempts": 1}))
        answer = pool.submit(waiting.get_gateway, gatewayIdentifier=GATEWAY)
        with socket.create_connection(("127.0.0.1", int(running.url.rsplit(":", 1)[1])), timeout=20) as idle:
            idle.sendall(b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 200"
            while not running.admin.counts()["operations"].get("GetGateway"):
                assert not answer.done()
            running.stop()
            while idle.recv(4096):
                pass
        with pytest.raises((ClientError, ConnectionClosedError)):
            answer.result(20)
