"""Which fields of the status the cluster keeps: an older CRD prunes those that it does not know."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import structlog

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServerStatus
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster

PATH = f"/openapi/v3/apis/{names.GROUP}/{names.VERSION}"

log = structlog.get_logger(__name__)


async def served_status_fields(cluster: Cluster) -> frozenset[str] | None:
    """Return the JSON names of the status fields in the served schema, None when all are served or unknown.

    An older CRD costs one sentence in the log; the operator then works in the old terms: the record is
    targetId and gatewayArn, and the marker is the proof.
    """
    try:
        document = msgspec.json.decode(await cluster.get_path(PATH))
        schemas: dict[str, Any] = document["components"]["schemas"]
        kind = next(schema for name, schema in schemas.items() if name.endswith(f".{names.KIND}"))
        served = frozenset(kind["properties"]["status"]["properties"])
    except (ApiError, KeyError, StopIteration, TypeError, msgspec.DecodeError) as error:
        log.info("the served schema is not known; all fields are taken to be there", error=str(error))
        return None
    missing = {field.encode_name for field in msgspec.structs.fields(MCPServerStatus)} - served
    if not missing:
        return None
    log.warning(
        "The installed CustomResourceDefinition is older than this operator, which works in its terms. To "
        "have the new fields, run `mcp-gateway-operator crd | kubectl apply --server-side --force-conflicts "
        "-f -` (with --legacy on Kubernetes before 1.30) and restart the operator.",
        missing=sorted(missing),
    )
    return served


def keeps_moves(served: frozenset[str] | None) -> bool:
    """Return whether status can say on which gateways an object has something while it moves."""
    return served is None or served >= {"moves", "gatewayId", "recordedFor"}


def keep_served(status: MCPServerStatus, served: frozenset[str] | None) -> MCPServerStatus:
    """Return a status without what the API server would prune, so that it compares equal when read back."""
    return status if served is None else msgspec.structs.replace(status, **_blanks(served))


@lru_cache(maxsize=1)
def _blanks(served: frozenset[str]) -> dict[str, Any]:
    blank = MCPServerStatus()
    fields = msgspec.structs.fields(MCPServerStatus)
    return {field.name: getattr(blank, field.name) for field in fields if field.encode_name not in served}
