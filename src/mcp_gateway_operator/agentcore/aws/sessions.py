"""Sessions of roles and Regions over botocore: AssumeRole with the operator's own credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from botocore.credentials import Credentials

from mcp_gateway_operator.agentcore.aws.adapter import Boto3AgentCore
from mcp_gateway_operator.agentcore.port import Identity, OnCall, Opened
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

OWN_SECONDS: Final = 3600.0
"""For so long the operator's own identity is believed in another Region: credentials are replaced, too."""


class Boto3Sessions:
    """Makes sessions as `Opener` says.

    Args:
        own: calls under the operator's own identity, the pattern of all others.
        on_call: told of each call by a session, as the adapter tells.
    """

    def __init__(self, own: Boto3AgentCore, *, on_call: OnCall | None = None) -> None:
        self._own = own
        self._on_call = on_call
        self._in_region: dict[str, Boto3AgentCore] = {}

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session that CloudTrail shows under a name; one request to STS where there is a role.

        Raises:
            AgentCoreError: there is none.
        """
        now, region = asyncio.get_running_loop().time, identity.region
        own = self._in_region.get(region)
        if own is None:
            own = self._in_region[region] = self._own.sibling(region, on_call=self._on_call)
        if not identity.role_arn:
            return Opened(own.within(), now() + OWN_SECONDS)
        answer = await own.assume_role(request_of(identity, name))
        try:
            given = answer["Credentials"]
            credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
            left = (given["Expiration"] - own.aws_time()).total_seconds()
        except (KeyError, TypeError) as error:
            raise AgentCoreError(
                ErrorKind.TRANSIENT, "MalformedAnswer", "STS answered AssumeRole without credentials"
            ) from error
        return Opened(own.within(credentials), now() + left)


def request_of(identity: Identity, name: str) -> Mapping[str, Any]:
    """Return what STS is asked for: exactly these tags, and nothing where nothing is written."""
    request: dict[str, Any] = {"RoleArn": identity.role_arn, "RoleSessionName": name}
    if identity.external_id:
        request["ExternalId"] = identity.external_id
    if identity.tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in identity.tags]
    return request
