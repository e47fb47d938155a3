"""Last part of a pass: what status, conditions and Events say, and when."""

from __future__ import annotations

from mcp_gateway_operator.controller.tell.report import fit_to_show, status_of, with_placement, with_record
from mcp_gateway_operator.controller.tell.when_to_tell import (
    REFUSED,
    deadline,
    events_of,
    queued,
    status_timing,
    waits_of,
)

__all__ = [
    "REFUSED",
    "deadline",
    "events_of",
    "fit_to_show",
    "queued",
    "status_of",
    "status_timing",
    "waits_of",
    "with_placement",
    "with_record",
]
