"""What the log says of a call to AWS: of a write at level info, of a read at debug.

Neither what was sent nor what came back is in it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import structlog

from mcp_gateway_operator.agentcore.port import Fence
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import Target

log = structlog.get_logger(__name__)

IN_STATUS: Final = "in the status of the object"
"""Instead of words of AWS's that quote what was sent."""
_SHORT: Final = 4
"""Texts with fewer characters give nothing away, and occur in any sentence."""
_TOLD: Final = 64
"""A message may quote the beginning of a long text only; in so many characters it is known again."""
_ADDRESS: Final = frozenset({"gatewayIdentifier", "targetId", "targetIdList", "clientToken"})


class Flight(Protocol):
    """What is told of a call beside its outcome.

    Attributes:
        fence: there is one for a write.
        request: what was asked for, with the gateway.
        request_id: AWS's id of the request, "" when it did not answer.
        sent: the request was handed to the network.
    """

    fence: Fence | None
    request: Mapping[str, Any]
    request_id: str
    sent: bool


def request_id_of(response: Mapping[str, Any]) -> str:
    """Return AWS's id of a request from its answer or refusal, as botocore parsed it; "" without one."""
    return str((response.get("ResponseMetadata") or {}).get("RequestId") or "")


def tell(operation: str, flight: Flight, answer: object, seconds: float) -> None:
    """Log a call that has ended, with one line.

    For whom it was made, and why, says the context that the caller has bound.

    Args:
        operation: the client method's name.
        flight: the call.
        answer: what AWS answered, the error, or None when nobody waited for it any more.
        seconds: what it took.
    """
    wrote = flight.fence is not None and flight.sent
    if not wrote and not log.is_enabled_for(logging.DEBUG):
        return
    fields: dict[str, object] = {
        "operation": "".join(part.title() for part in operation.split("_")),
        "gateway": flight.request.get("gatewayIdentifier", ""),
        "target": _target_of(flight.request, answer),
        "answer": "OK",
    }
    if isinstance(answer, AgentCoreError):
        fields |= {"answer": answer.code, "kind": answer.kind.value, "error": _words(answer, flight.request)}
    elif answer is None:
        fields["answer"] = "not waited for"
    fields |= {"ms": round(1000 * seconds), "aws_request_id": flight.request_id}
    if wrote:
        log.info("write to AWS", **fields)
    else:
        log.debug("call to AWS", **fields)


def _target_of(request: Mapping[str, Any], answer: object) -> str:
    if isinstance(answer, Target):
        return answer.summary.target_id
    return request.get("targetId") or ", ".join(request.get("targetIdList", ()))


def _words(error: AgentCoreError, request: Mapping[str, Any]) -> str:
    """Return AWS's words, unless they may quote what was sent: a log has other readers than an object."""
    sent = (text for key, value in request.items() if key not in _ADDRESS for text in _texts(value))
    if error.kind is ErrorKind.VALIDATION or any(text in error.message for text in sent):
        return IN_STATUS
    return error.message


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= _SHORT:
            yield value[:_TOLD]
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)
