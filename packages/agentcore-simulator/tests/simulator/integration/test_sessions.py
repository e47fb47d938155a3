"""boto3 over HTTP with several sessions at once: accounts, Regions, a chain, an end in mid-run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from agentcore_simulator import SimulatorServer

from .conftest import GATEWAY, client, server

ACCOUNTS = ("222222222222", "333333333333")
REGIONS = ("eu-west-1", "us-west-2")


def session_client(simulator: SimulatorServer, account: str, region: str, **options: Any) -> Any:
    """A client of a session of an account's role, got from the STS of the Region."""
    sts = client(simulator.url, "sts", region_name=region, **options)
    credentials = sts.assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/mcp-targets",
        RoleSessionName=f"operator-{region}",
        ExternalId=f"of-{account}",
        Tags=[{"Key": "team", "Value": "platform"}],
    )["Credentials"]
    given = {
        "region_name": region,
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
    return client(simulator.url, **{**given, **options})


@pytest.fixture
def accounts(simulator: SimulatorServer) -> SimulatorServer:
    """A simulator with a gateway of one id in two accounts and two Regions of each."""
    for account in ACCOUNTS:
        simulator.admin.account(account).add_role(
            "mcp-targets", trust=["123456789012"], external_id=f"of-{account}", tag_keys=["team"]
        )
        for region in REGIONS:
            simulator.admin.account(account, region).create_gateway(GATEWAY)
    return simulator


def test_sessions_work_side_by_side_each_in_its_own_place(accounts: SimulatorServer) -> None:
    places = [(account, region) for account in ACCOUNTS for region in REGIONS]
    start = threading.Barrier(len(places))

    def work(place: tuple[str, str]) -> None:
        control = session_client(accounts, *place)
        start.wait(timeout=60)
        for number in range(5):
            control.create_gateway_target(
                gatewayIdentifier=GATEWAY, name=f"tools-{number}", targetConfiguration=server()
            )
        rows = control.list_gateway_targets(gatewayIdentifier=GATEWAY)["items"]
        assert [row["name"] for row in rows] == [f"tools-{number}" for number in range(5)]

    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(work, places))
    assert accounts.admin.targets(GATEWAY) == []
    for account, region in places:
        entries = accounts.admin.account(account, region).requests()
        assert len(entries) == 6
        assert {(entry["session"], entry["tags"]["team"]) for entry in entries} == {
            (f"operator-{region}", "platform")
        }
    assert {entry["region"] for entry in accounts.admin.requests(operation="sts:AssumeRole")} == set(REGIONS)


def test_the_assume_role_provider_of_boto3_renews_and_chains(
    accounts: SimulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "[profile hub]\nrole_arn = arn:aws:iam::123456789012:role/operator\ncredential_source = Environment\n"
        "[profile spoke]\nrole_arn = arn:aws:iam::222222222222:role/mcp-targets\nsource_profile = hub\n"
        "external_id = of-222222222222\nrole_session_name = spoke\nregion = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", accounts.url)
    role = "arn:aws:iam::222222222222:role/mcp-targets"
    accounts.admin.account("222222222222").edit_role(
        "mcp-targets", trust=["arn:aws:iam::123456789012:role/operator"], session_seconds=120
    )
    control = boto3.Session(profile_name="spoke").client("bedrock-agentcore-control")
    for _ in range(2):
        assert [row["gatewayId"] for row in control.list_gateways()["items"]] == [GATEWAY]
    # Of less than ten minutes' worth, boto3 renews at each use.
    assert len(accounts.admin.requests(operation="sts:AssumeRole", role=role)) == 2
    assert {entry["session"] for entry in accounts.admin.account("222222222222").requests()} == {"spoke"}
    assert accounts.admin.account("333333333333").requests() == []


def test_a_role_that_ends_takes_only_its_own_sessions_along(accounts: SimulatorServer) -> None:
    one, two = (session_client(accounts, account, "eu-west-1") for account in ACCOUNTS)
    accounts.admin.account(ACCOUNTS[0]).delete_role("mcp-targets")
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        one.list_gateways()
    with pytest.raises(ClientError, match=r"AccessDenied.*sts:AssumeRole on resource"):
        session_client(accounts, ACCOUNTS[0], "eu-west-1")
    two.list_gateways()
    assert accounts.admin.account(ACCOUNTS[1]).end_sessions("mcp-targets") == 1
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        two.list_gateways()


def test_a_region_that_never_answers_holds_up_no_other(accounts: SimulatorServer) -> None:
    once = Config(retries={"total_max_attempts": 1}, read_timeout=0.5)
    fast = session_client(accounts, ACCOUNTS[0], REGIONS[1])
    slow = client(accounts.url, region_name=REGIONS[0], config=once)
    accounts.admin.add_fault(region=REGIONS[0], kind="hang", count=None)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(slow.list_gateways)
        assert fast.list_gateways()["items"]
        with pytest.raises(ReadTimeoutError):
            hanging.result(timeout=60)
    with pytest.raises(ReadTimeoutError):
        session_client(accounts, ACCOUNTS[1], REGIONS[0], config=once)
