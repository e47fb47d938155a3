"""What the installed CustomResourceDefinition serves: fields that an older one does not know are dropped."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServerStatus
from mcp_gateway_operator.runtime.cluster import UNREADABLE, ApiError, Cluster

DISCOVERY: Final = f"/apis/{names.GROUP}/{names.VERSION}"
PATH: Final = f"/openapi/v3/apis/{names.GROUP}/{names.VERSION}"
HOLDING_BACK: Final = (
    "managementPolicy",
    "deletionPolicy",
    "driftPolicy",
    "adoptionPolicy",
    "listingMode",
    "privateEndpoint",
    "gatewayRef",
)
"""Fields of the spec without which more is done at AWS than the object's author wants, or on another way.

Where the API server does not know them it hides them from everybody, and drops them at anybody's next write.
"""
UPDATE: Final = (
    "`mcp-gateway-operator crd | kubectl apply --server-side --force-conflicts -f -` (with --legacy on "
    "Kubernetes before 1.30)"
)

log = structlog.get_logger(__name__)


class ServedSchema:
    """The fields that the API server keeps.

    Attributes:
        status_fields: JSON names of those in the status; None when all are kept, or it is not known. Where
            some are missing the operator works in the old terms: the record is targetId and gatewayArn, and
            the marker is the proof.
        classes: MCPGateways are served; None when that is not known.
        unserved: which of `HOLDING_BACK` the spec does not have.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known = False
        self.status_fields: frozenset[str] | None = None
        self.unserved: tuple[str, ...] = ()
        self.classes: bool | None = False

    async def read(self) -> bool:
        """Read the schema and tell whether it is another one than before; what is missing is logged then.

        A schema that cannot be read changes nothing: until the first answer all fields are taken to be there.
        """
        try:
            document = msgspec.json.decode(await self._cluster.get_path(PATH))
            schemas: dict[str, Any] = document["components"]["schemas"]
            self.classes = any(name.endswith(f".{names.CLASS_KIND}") for name in schemas)
            kind = next(schema for name, schema in schemas.items() if name.endswith(f".{names.KIND}"))
            # A part without properties keeps everything.
            spec, status = (kind["properties"].get(part, {}).get("properties") for part in ("spec", "status"))
        except (ApiError, AttributeError, KeyError, StopIteration, TypeError, *UNREADABLE) as error:
            self.classes = await self._discovered()
            if not self._known:
                self._known = True
                log.info("the served schema is not known; all fields are taken to be there", error=str(error))
            return False
        self._known = True
        missing = () if status is None else tuple(name for name in _STATUS if name not in status)
        before = self.status_fields, self.unserved
        self.status_fields = frozenset(status) if missing else None
        self.unserved = () if spec is None else tuple(name for name in HOLDING_BACK if name not in spec)
        if before == (self.status_fields, self.unserved):
            return False
        if missing or self.unserved:
            log.warning(self._sentence(), missing=[*(f"spec.{name}" for name in self.unserved), *missing])
        else:
            log.info("the installed CustomResourceDefinition has all fields now")
        return True

    async def _discovered(self) -> bool | None:
        """Return whether MCPGateways are served, as the list of resources says; None where it does not."""
        try:
            found = msgspec.json.decode(await self._cluster.get_path(DISCOVERY))
            return any(each["name"] == names.CLASS_PLURAL for each in found["resources"])
        except ApiError as error:
            return False if error.not_found else None
        except (KeyError, TypeError, *UNREADABLE):
            return None

    @property
    def gateway_ref(self) -> bool:
        """Whether the API server keeps spec.gatewayRef."""
        return "gatewayRef" not in self.unserved

    def note(self) -> str | None:
        """Return what there is to say of the fields that hold the operator back; None when all are served."""
        if not self.unserved:
            return None
        fields = ", ".join(f"spec.{name}" for name in self.unserved)
        return (
            f"the installed CustomResourceDefinition does not have {fields}, so MCPServers are treated as if "
            f"they did not set them. Run {UPDATE}, and set them again: the API server drops them at any "
            "write to the object"
        )

    def _sentence(self) -> str:
        text = (
            "The installed CustomResourceDefinition is older than this operator, which does without what it "
            f"lacks. To have the new fields, run {UPDATE}."
        )
        if self.unserved:
            text += (
                " MCPServers that set one of the spec's are treated as if they did not. Set these again "
                "after the update: the API server drops them at any write to the object."
            )
        return text


_STATUS: Final = tuple(sorted(field.encode_name for field in msgspec.structs.fields(MCPServerStatus)))
