"""What a process finds out about its surroundings before it starts: the Region, proxies, authorities."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from botocore.exceptions import BotoCoreError

from mcp_gateway_operator import __version__
from mcp_gateway_operator.agentcore.aws import choose_proxies, new_session
from mcp_gateway_operator.api.aws_ids import is_region, no_region
from mcp_gateway_operator.cli.network import Network

USER_AGENT: Final = f"mcp-gateway-operator/{__version__}"
"""What AWS is told of who calls."""


class StartupError(Exception):
    """The process cannot start; the message is a sentence that says what to do."""


def region_of(given: str) -> str:
    """Return the Region that a flag, the environment or the AWS configuration names.

    Raises:
        StartupError: none does, or it cannot be one.
    """
    try:
        region = given or new_session(None).get_config_variable("region")
    except BotoCoreError as error:
        raise StartupError(f"The AWS configuration cannot be used: {error}.") from error
    region = str(region or "").strip()
    if not region:
        raise StartupError(
            "No AWS Region is known: set --aws-region or AWS_REGION to the Region of the gateways."
        )
    if not is_region(region):
        raise StartupError(
            f"{no_region(region)}. It comes from --aws-region, AWS_REGION or the AWS configuration."
        )
    return region


def network_of_environment() -> Network:
    """Return what the environment says of proxies and authorities, botocore's proxies chosen by it.

    Raises:
        StartupError: it cannot be used.
    """
    bundle = ""
    # A profile that is not there is told by the first call, which may come after it is.
    with contextlib.suppress(BotoCoreError):
        bundle = new_session(None).get_config_variable("ca_bundle") or ""
    try:
        network = Network(os.environ, bundle=bundle)
    except ValueError as error:
        raise StartupError(str(error)) from error

    def proxy_for(url: str) -> str | None:
        proxy = network.proxy_for(url)
        return proxy.url if proxy else None

    choose_proxies(proxy_for)
    return network
