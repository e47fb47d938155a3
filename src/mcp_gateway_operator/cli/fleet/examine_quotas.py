"""`doctor` on quotas: what the operator allows itself, what it gets, and what AWS says it may have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from mcp_gateway_operator.agentcore.aws import new_session
from mcp_gateway_operator.agentcore.quota import Op, Quotas
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.shown import counted, shown

SERVICE: Final = "bedrock-agentcore"
"""The service's code in Service Quotas."""
SLOWED: Final = 0.5
"""Share of its rate below which the operator has been throttled more than now and then."""
_OPERATIONS: Final[Mapping[Op, str]] = {
    Op.CREATE: "CreateGatewayTarget",
    Op.UPDATE: "UpdateGatewayTarget",
    Op.DELETE: "DeleteGatewayTarget",
    Op.SYNCHRONIZE: "SynchronizeGatewayTargets",
    Op.GET: "GetGatewayTarget",
    Op.LIST: "ListGatewayTargets",
    Op.LIST_GATEWAYS: "ListGateways",
}
_RATES: Final = re.compile(r'^mcps_aws_rate_limit\{operation="([a-z-]+)"\} ([0-9.e+-]+)$', re.MULTILINE)
_TARGETS: Final = "targets per gateway"


class Applied(msgspec.Struct, frozen=True):
    """The quotas that AWS says it applies, as far as it names them.

    Attributes:
        rates: calls a second.
        targets: on one gateway, None where that is not known.
        unknown: why AWS does not say, "" where it does.
    """

    rates: Mapping[Op, float] = {}
    targets: int | None = None
    unknown: str = ""


def applied(region: str | None) -> Applied:
    """Return what Service Quotas says of the caller's account in a Region."""
    rates: dict[Op, float] = {}
    targets: int | None = None
    try:
        client = new_session(region).create_client("service-quotas")
        pages = client.get_paginator("list_service_quotas").paginate(ServiceCode=SERVICE)
        found = [(str(each["QuotaName"]), float(each["Value"])) for page in pages for each in page["Quotas"]]
    except (BotoCoreError, ClientError) as error:
        return Applied(unknown=shown(str(error)))
    for name, value in found:
        words = re.findall("[A-Za-z]+", name)
        rates |= {op: value for op, operation in _OPERATIONS.items() if operation in words}
        if _TARGETS in name.lower():
            targets = int(value)
    return Applied(rates=rates, targets=targets)


def by_service(said: Applied, quotas: Quotas) -> Iterator[Finding]:
    """Yield where the operator's settings and AWS's quotas differ.

    Args:
        said: by AWS.
        quotas: the operator's settings, as its --aws-quotas.
    """
    if said.unknown or not (said.rates or said.targets):
        why = said.unknown or "Service Quotas names none of them"
        yield Finding(
            ok=None,
            what=f"AWS's quotas of your account are not known: {why}",
            why=f"The operator keeps to {_all(quotas)} a second; AWS's default is 100 targets a gateway.",
            do="allow servicequotas:ListServiceQuotas, or look at Service Quotas in the console",
        )
        return
    different = False
    for op, value in sorted(said.rates.items()):
        kept = quotas.rate(op)
        if kept == value:
            continue
        different = True
        more = kept is None or kept > value
        yield Finding(
            ok=not more,
            what=f"AWS allows {value:g} {_OPERATIONS[op]} a second; the operator keeps to "
            f"{'no limit' if kept is None else f'{kept:g}'}.",
            why="It is throttled, and so are others in the account." if more else "",
            do=f"start it with --aws-quotas {op.value}={value:g}" if more else "",
        )
    reckoned = quotas.gateway_targets
    if said.targets is not None and said.targets != reckoned:
        different = True
        more = reckoned is None or reckoned > said.targets
        yield Finding(
            ok=not more,
            what=f"AWS allows {counted(said.targets, 'target')} on a gateway; the operator reckons with "
            f"{'no limit' if reckoned is None else reckoned}.",
            why="" if not more else "It takes a gateway that is full for one with room.",
            do=f"start it with --aws-quotas gateway-targets={said.targets}",
        )
    if not different:
        yield Finding(ok=True, what=f"The operator keeps to AWS's quotas: {_all(quotas)} a second.")


def at_present(metrics: str, quotas: Quotas) -> Iterator[Finding]:
    """Yield how often a second the operator may call AWS now, by what it has learnt from refusals."""
    slow = []
    for name, text in _RATES.findall(metrics):
        rate = quotas.rate(Op(name)) if name in set(Op) else None
        if rate is not None and float(text) < rate * SLOWED:
            slow.append(f"{name} {float(text):.2g} of {rate:g}")
    if slow:
        yield Finding(
            ok=False,
            what=f"AWS throttles the operator, which calls less often a second: {', '.join(slow)}.",
            why="Whoever else works in the account and Region shares the quotas: Terraform, the console.",
            do="look in CloudTrail who calls, or have AWS raise the quota and set --aws-quotas",
        )
    elif _RATES.search(metrics):
        yield Finding(ok=True, what="AWS does not throttle the operator.")


def _all(quotas: Quotas) -> str:
    told = ((op.value, quotas.rate(op)) for op in _OPERATIONS)
    return ", ".join(f"{name} {'unlimited' if rate is None else f'{rate:g}'}" for name, rate in told)
