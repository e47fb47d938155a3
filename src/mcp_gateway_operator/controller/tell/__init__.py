"""Last part of a pass: what status, conditions and Events say, and when."""

from __future__ import annotations

from mcp_gateway_operator.controller.tell.report import status_of, with_record
from mcp_gateway_operator.controller.tell.served_fields import served_status_fields
from mcp_gateway_operator.controller.tell.when_to_tell import deadline, news_of, voice, waits_of

__all__ = [
    "deadline",
    "news_of",
    "served_status_fields",
    "status_of",
    "voice",
    "waits_of",
    "with_record",
]
