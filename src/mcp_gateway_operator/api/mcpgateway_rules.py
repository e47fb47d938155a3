"""The rules of an MCPGateway, and the grammar of what its `allow` may be written as.

A gateway's ARN, a provider's name and an endpoint are read here and nowhere else, so admission, the operator
and offline checks cannot read one of them differently.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mcp_gateway_operator.api.rules import matches
from mcp_gateway_operator.api.schema import Rule

ANYTHING: Final = "*"
"""Permits everything of its kind; an empty list permits nothing."""
NAMESPACE: Final = "${namespace}"
"""Stands for the name of the object's namespace in an entry for providers."""

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME: Final = rf"{_LABEL}([.]{_LABEL})*"
_PORT = "[1-9][0-9]{0,4}"
_PATH = "(/[A-Za-z0-9._~!$&()*+,;=:@%/-]*)?"
_GATEWAY = "([0-9a-z]-?){1,100}-[0-9a-z]{10}"  # service model: GatewayIdentifier
LONGEST_ARN: Final = 512
"""Characters of a gateway's ARN, about twice those of the longest there can be."""
PROVIDER_NAME: Final = "[a-zA-Z0-9_-]{1,128}"  # service model: CredentialProviderName

GATEWAY_ARN: Final = (
    matches(
        f"arn:aws[a-z-]*:bedrock-agentcore:[a-z0-9-]+:[0-9]{{12}}:gateway/{_GATEWAY}",
        "gatewayArn must be the ARN of an AgentCore gateway: write for example"
        " arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij",
    ),
    Rule(
        cel="self == oldSelf",
        message="gatewayArn cannot be changed: make another MCPGateway, and name that in the MCPServers",
        holds=lambda _: True,  # only the API server sees both
    ),
)
ROLE_ARN: Final = (
    matches(
        "arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}",
        "roleArn must be the ARN of an IAM role: write for example"
        " arn:aws:iam::123456789012:role/mcp-targets",
    ),
)
EXTERNAL_ID: Final = (
    matches(
        "[A-Za-z0-9+=,.@:/_-]{2,}",
        "externalId holds two or more letters, digits and any of + = , . @ : / _ -",
    ),
)
ENDPOINT_ENTRY: Final = (
    matches(
        rf"[*]|https://([*][.])?{HOST_NAME}(:{_PORT})?{_PATH}",
        "an entry of endpoints must be '*', or https:// with a host in lower case, which may begin with '*.',"
        " and optionally a port and the beginning of a path: write for example"
        " https://*.team-a.mcp.example.com/mcp",
    ),
)
PROVIDER_ENTRY: Final = (
    matches(
        rf"[*]|{PROVIDER_NAME}[*]?|[$][{{]namespace[}}](_[a-zA-Z0-9_-]*[*]?)?",
        "an entry of providers must be '*', the name of a credential provider, the beginning of one and '*',"
        " or ${namespace}, alone or before an underscore, which no namespace can hold: write for example"
        " ${namespace}_*",
    ),
)
_NAMES_VALUES: Final = ("In", "NotIn")
EXPRESSION: Final = (
    Rule(
        cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        message="an expression of a label selector takes values with the operators In and NotIn, and none"
        " with Exists and DoesNotExist",
        holds=lambda value: (value.get("operator") in _NAMES_VALUES) == bool(value.get("values")),
    ),
)
_GATEWAY_ARN_PARTS = re.compile(
    rf"arn:(?P<partition>aws[a-z-]*):bedrock-agentcore:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{{12}}):"
    rf"gateway/(?P<gateway_id>{_GATEWAY})"
)
_PROVIDER_ARN_PARTS = re.compile(
    r"arn:(?P<partition>[^:/]+):(?P<service>bedrock-agentcore|acps):(?P<region>[^:/]+):(?P<account>[^:/]+):"
    rf"token-vault/(?P<vault>[^:/]+)/(?P<kind>[^:/]+)/(?P<name>{PROVIDER_NAME})"
)


class GatewayArn(NamedTuple):
    """A gateway's ARN in its parts."""

    partition: str
    region: str
    account: str
    gateway_id: str

    @classmethod
    def parse(cls, arn: str) -> GatewayArn | None:
        """Return the parts of a gateway's ARN, None where the text is none."""
        return _parsed(arn) if len(arn) <= LONGEST_ARN else None

    @property
    def text(self) -> str:
        """The ARN itself."""
        head = f"arn:{self.partition}:bedrock-agentcore:{self.region}:{self.account}"
        return f"{head}:gateway/{self.gateway_id}"


@lru_cache(maxsize=1024)
def _parsed(arn: str) -> GatewayArn | None:
    """Read one once: a fleet has few, and each pass meets its own several times."""
    found = _GATEWAY_ARN_PARTS.fullmatch(arn)
    return GatewayArn(*map(found.group, GatewayArn._fields)) if found else None


class ProviderArn(NamedTuple):
    """A credential provider's ARN in its parts."""

    partition: str
    region: str
    account: str
    vault: str
    kind: str
    name: str

    @classmethod
    def parse(cls, arn: str) -> ProviderArn | None:
        """Return the parts of a credential provider's ARN, None where the text is none."""
        found = _PROVIDER_ARN_PARTS.fullmatch(arn)
        return cls(*map(found.group, cls._fields)) if found else None
