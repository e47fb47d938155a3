"""First part of a pass: what is known of an object, from caches and memory. No call leaves the process."""

from __future__ import annotations

from mcp_gateway_operator.controller.gather.circles import Circles
from mcp_gateway_operator.controller.gather.denied_rights import DeniedRights
from mcp_gateway_operator.controller.gather.desired_cache import LargeSpecs, lacks_spec, needs_spec
from mcp_gateway_operator.controller.gather.load import Loader
from mcp_gateway_operator.controller.gather.memories import Entry, Memories
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex
from mcp_gateway_operator.controller.gather.object_places import ObjectPlaces
from mcp_gateway_operator.controller.gather.recall import recalled

__all__ = [
    "Circles",
    "DeniedRights",
    "Entry",
    "Key",
    "LargeSpecs",
    "Loader",
    "Memories",
    "ObjectIndex",
    "ObjectPlaces",
    "lacks_spec",
    "needs_spec",
    "recalled",
]
