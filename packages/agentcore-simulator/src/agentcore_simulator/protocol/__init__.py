"""Reading a request: the service's own model, its checks, who calls, and the log of it."""

from __future__ import annotations

from agentcore_simulator.protocol.caller import Caller, caller_of
from agentcore_simulator.protocol.journal import Entry, Journal
from agentcore_simulator.protocol.loopback import ip_address, is_loopback, loopback_endpoint, with_endpoint
from agentcore_simulator.protocol.parsing import MAX_BODY, parse
from agentcore_simulator.protocol.partitions import arn, iam_arn, partition_of
from agentcore_simulator.protocol.request_validation import service_validator, sts_validator
from agentcore_simulator.protocol.service_model import Operation
from agentcore_simulator.protocol.sessions import Session

__all__ = [
    "MAX_BODY",
    "Caller",
    "Entry",
    "Journal",
    "Operation",
    "Session",
    "arn",
    "caller_of",
    "iam_arn",
    "ip_address",
    "is_loopback",
    "loopback_endpoint",
    "parse",
    "partition_of",
    "service_validator",
    "sts_validator",
    "with_endpoint",
]
