"""Private connectivity of a target, as the bedrock-agentcore-control service model has it.

These structures describe values that the operator hands to AWS as they are; they are never instantiated.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcp_gateway_operator.api import rules
from mcp_gateway_operator.api.aws_values import LATTICE_RESOURCE, SECRET
from mcp_gateway_operator.api.schema import Camel, Field


class SelfManagedLatticeResource(Camel, frozen=True, kw_only=True):
    """PrivateEndpoint.selfManagedLatticeResource."""

    resource_configuration_identifier: Annotated[
        str,
        Field(
            doc="Id or ARN of the VPC Lattice resource configuration through which the gateway reaches the "
            "server. You create it, together with its resource gateway, and keep it.",
            required=True,
            min_length=20,
            max_length=2048,
            rules=LATTICE_RESOURCE,
            example="rcfg-0123456789abcdef0",
        ),
    ]


class ManagedVpcResource(Camel, frozen=True, kw_only=True):
    """PrivateEndpoint.managedVpcResource."""

    vpc_identifier: Annotated[
        str,
        Field(
            doc="Id of the VPC in which the server is reachable.",
            required=True,
            min_length=1,
            max_length=32,
            rules=rules.VPC,
            example="vpc-0a1b2c3d",
        ),
    ]
    subnet_ids: Annotated[
        tuple[str, ...],
        Field(
            doc="Ids of the subnets in which AWS places the network interfaces of the VPC Lattice resource "
            "gateway.",
            required=True,
            max_items=64,
            item=Field(doc="", min_length=1, max_length=32, rules=rules.SUBNET),
            example="[subnet-0a1b2c3d4e5f67890]",
        ),
    ]
    endpoint_ip_address_type: Annotated[
        str,
        Field(
            doc="Address family of the endpoint: IPV4 or IPV6.",
            required=True,
            enum=("IPV4", "IPV6"),
            example="IPV4",
        ),
    ]
    security_group_ids: Annotated[
        tuple[str, ...],
        Field(
            doc="Ids of at most five security groups for the resource gateway. Default: the default "
            "security group of the VPC.",
            max_items=5,
            item=Field(doc="", min_length=1, max_length=32, rules=rules.SECURITY_GROUP),
            example="[sg-0a1b2c3d]",
        ),
    ] = ()
    tags: Annotated[
        dict[str, str],
        Field(
            doc="Tags that AWS puts on the VPC Lattice resource gateway it makes, at most 50.",
            max_properties=50,
            item=Field(doc="", max_length=256),
        ),
    ] = msgspec.field(default_factory=dict)
    routing_domain: Annotated[
        str,
        Field(
            doc="Domain to connect to instead of the endpoint's own, 3 to 255 characters: for example that "
            "of a VPC endpoint or of an internal load balancer in front of the server.",
            max_length=255,
            rules=rules.ROUTING_DOMAIN,
            example="internal-mcp.example.com",
        ),
    ] = ""


class PrivateEndpoint(Camel, frozen=True, kw_only=True):
    """CreateGatewayTarget's privateEndpoint (a union)."""

    self_managed_lattice_resource: Annotated[
        SelfManagedLatticeResource | None,
        Field(doc="A VPC Lattice resource configuration that you made and manage yourself."),
    ] = None
    managed_vpc_resource: Annotated[
        ManagedVpcResource | None,
        Field(doc="A VPC and its subnets, in which AWS makes and manages the VPC Lattice resources for you."),
    ] = None


class S3Certificate(Camel, frozen=True, kw_only=True):
    """CertificateConfiguration.s3."""

    uri: Annotated[
        str,
        Field(
            doc="Address of the S3 object that holds the certificate in PEM form.",
            required=True,
            min_length=1,
            max_length=2048,
            rules=rules.S3_URI,
            example="s3://my-bucket/ca.pem",
        ),
    ]
    bucket_owner_account_id: Annotated[
        str,
        Field(
            doc="AWS account that owns the bucket, if it is not the gateway's.",
            max_length=12,
            rules=rules.ACCOUNT_ID,
            example='"123456789012"',
        ),
    ] = ""


class SecretsManagerCertificate(Camel, frozen=True, kw_only=True):
    """CertificateConfiguration.secretsManager."""

    secret_arn: Annotated[
        str,
        Field(
            doc="ARN of the Secrets Manager secret that holds the certificate in PEM form.",
            required=True,
            min_length=1,
            max_length=2048,
            rules=SECRET,
            example="arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-ca-AbCdEf",
        ),
    ]


class CertificateConfiguration(Camel, frozen=True, kw_only=True):
    """CreateGatewayTarget's certificateConfigurations item (a union)."""

    s3: Annotated[S3Certificate | None, Field(doc="A certificate kept as an object in Amazon S3.")] = None
    secrets_manager: Annotated[
        SecretsManagerCertificate | None, Field(doc="A certificate kept as a secret in AWS Secrets Manager.")
    ] = None
