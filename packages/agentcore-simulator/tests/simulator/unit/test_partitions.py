"""Commercial, GovCloud and China Regions: the partition in every ARN, and the domain in every URL."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.config import Config

from agentcore_simulator import AdminClient, Engine, Request, Settings, attach

from .conftest import NOON, Simulation, server
from .refusals import refusal

ACCOUNT = "123456789012"
PARTITIONS = [
    ("us-east-1", "aws", "amazonaws.com"),
    ("eu-central-1", "aws", "amazonaws.com"),
    ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ("us-gov-east-1", "aws-us-gov", "amazonaws.com"),
    ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
    ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
    ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
    ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
    ("made-up", "aws", "amazonaws.com"),
]


def client(service: str, region: str, engine: Engine, key: str = "test") -> Any:
    made = boto3.client(
        service,
        region_name=region,
        endpoint_url="http://simulator.invalid",
        aws_access_key_id=key,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    attach(made, engine)
    return made


def partitions_in(answer: Any) -> set[str]:
    """The partitions of all ARNs in an answer."""
    return set(re.findall(r"arn:([^:]*):", json.dumps(answer, default=str)))


@pytest.mark.parametrize(("region", "partition", "domain"), PARTITIONS)
def test_arns_and_urls_are_those_of_the_region(region: str, partition: str, domain: str) -> None:
    engine = Engine(Settings(region=region), clock=lambda: NOON)
    AdminClient.in_process(engine).create_gateway("demo-abcdefghij")
    control = client("bedrock-agentcore-control", region, engine)

    shown = control.get_gateway(gatewayIdentifier="demo-abcdefghij")
    assert shown["gatewayArn"] == (
        f"arn:{partition}:bedrock-agentcore:{region}:{ACCOUNT}:gateway/demo-abcdefghij"
    )
    assert shown["gatewayUrl"] == f"https://demo-abcdefghij.gateway.bedrock-agentcore.{region}.{domain}/mcp"
    assert partitions_in(shown) == {partition}
    made = control.create_gateway_target(
        gatewayIdentifier="demo-abcdefghij", name="tools", targetConfiguration=server()
    )
    assert partitions_in(made) == {partition}
    control.tag_resource(resourceArn=shown["gatewayArn"], tags={"team": "tools"})
    assert control.list_tags_for_resource(resourceArn=shown["gatewayArn"])["tags"] == {"team": "tools"}

    sts = client("sts", region, engine)
    assert sts.get_caller_identity()["Arn"] == f"arn:{partition}:iam::{ACCOUNT}:user/simulator"
    pod = engine.handle(Request("GET", "/v1/credentials", headers={"authorization": "token"}))
    assert partitions_in(json.loads(pod.body)) == {partition}


@pytest.mark.parametrize(("region", "partition", "_"), PARTITIONS)
def test_refusals_name_arns_of_the_partition(region: str, partition: str, _: str) -> None:
    engine = Engine(Settings(region=region, denied_actions=["GetGateway"]), clock=lambda: NOON)
    control = client("bedrock-agentcore-control", region, engine)
    with pytest.raises(control.exceptions.AccessDeniedException) as refused:
        control.get_gateway(gatewayIdentifier="demo-abcdefghij")
    assert partitions_in(str(refused.value)) == {partition}


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_an_assumed_role_stays_in_its_partition(sim: Simulation, partition: str) -> None:
    role = f"arn:{partition}:iam::{ACCOUNT}:role/path/operator"
    answer = sim.sts.assume_role(RoleArn=role, RoleSessionName="session")
    assumed = f"arn:{partition}:sts::{ACCOUNT}:assumed-role/operator/session"
    assert answer["AssumedRoleUser"]["Arn"] == assumed
    key = answer["Credentials"]["AccessKeyId"]
    assert client("sts", "us-east-1", sim.engine, key).get_caller_identity()["Arn"] == assumed


def test_consent_links_without_a_server_are_on_the_domain_of_the_region() -> None:
    engine = Engine(Settings(region="cn-north-1"), clock=lambda: NOON)
    admin = AdminClient.in_process(engine)
    admin.create_gateway("demo-abcdefghij")
    admin.add_scenario(outcome="consent")
    target = admin.create_target("demo-abcdefghij", name="tools", targetConfiguration=server())["targetId"]
    control = client("bedrock-agentcore-control", "cn-north-1", engine)
    control.synchronize_gateway_targets(gatewayIdentifier="demo-abcdefghij", targetIdList=[target])
    engine.clock.advance(5)
    link = admin.target(target)["authorizationData"]["oauth2"]["authorizationUrl"]
    assert link.startswith("https://bedrock-agentcore.cn-north-1.amazonaws.com.cn/")


def test_an_arn_of_another_partition_names_nothing_here(sim: Simulation) -> None:
    arn = sim.control.get_gateway(gatewayIdentifier="demo-abcdefghij")["gatewayArn"]
    other = arn.replace("arn:aws:", "arn:aws-cn:")
    with refusal("ResourceNotFoundException", 404):
        sim.control.list_tags_for_resource(resourceArn=other)
    vault = f"arn:aws-cn:bedrock-agentcore:us-east-1:{ACCOUNT}:token-vault/default"
    provider = f"{vault}/oauth2credentialprovider/x"
    configuration = {"oauthCredentialProvider": {"providerArn": provider, "scopes": ["read"]}}
    with refusal("ValidationException", 400, "same account and Region"):
        sim.create(
            credentialProviderConfigurations=[
                {"credentialProviderType": "OAUTH", "credentialProvider": configuration}
            ]
        )
