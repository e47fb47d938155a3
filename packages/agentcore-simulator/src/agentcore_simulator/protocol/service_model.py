"""The service's own model, as botocore ships it: operations, routes and request shapes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader

SERVICE = "bedrock-agentcore-control"
_LABEL = re.compile(r"\{(\w+)\+?\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: how it is called and what its success answers.

    `labels`, `querystring` and `body` map a member's wire name to the member's name in the shape `input`.
    """

    name: str
    method: str
    segments: tuple[str | None, ...]
    labels: tuple[str, ...]
    querystring: dict[str, str]
    status: int
    input: str


class ServiceModel:
    """Routes and shapes of the AgentCore control plane. Read-only, so one instance serves every engine."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.shapes: dict[str, dict[str, Any]] = document["shapes"]
        self.operations = {
            name: self._operation(name, description) for name, description in document["operations"].items()
        }
        self._routes: dict[tuple[str, int], list[Operation]] = {}
        for operation in self.operations.values():
            self._routes.setdefault((operation.method, len(operation.segments)), []).append(operation)
        for candidates in self._routes.values():
            # A literal segment wins over a label: /gateways/{id}/rules before /gateways/{id}/{other}.
            candidates.sort(key=lambda operation: sum(segment is None for segment in operation.segments))

    def _operation(self, name: str, description: dict[str, Any]) -> Operation:
        http = description["http"]
        path = http["requestUri"].split("?")[0].strip("/")
        shape = description.get("input", {}).get("shape", "")
        members = self.shapes[shape]["members"] if shape else {}
        pieces = path.split("/")
        return Operation(
            name=name,
            method=http["method"],
            segments=tuple(None if _LABEL.fullmatch(piece) else piece for piece in pieces),
            labels=tuple(match[1] for piece in pieces if (match := _LABEL.fullmatch(piece))),
            querystring={
                member["locationName"]: key
                for key, member in members.items()
                if member.get("location") == "querystring"
            },
            status=http.get("responseCode", 200),
            input=shape,
        )

    def route(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a raw path means, with its decoded path parameters; None when there is none.

        A trailing slash makes no difference: the service and its SDKs do not agree on it.
        """
        pieces = path.strip("/").split("/")
        for operation in self._routes.get((method, len(pieces)), ()):
            values = []
            for expected, piece in zip(operation.segments, pieces, strict=True):
                if expected is None:
                    values.append(unquote(piece))
                elif expected != piece:
                    break
            else:
                return operation, dict(zip(operation.labels, values, strict=True))
        return None


@functools.cache
def service_model() -> ServiceModel:
    """The model of the installed botocore, loaded once a process."""
    return ServiceModel(Loader().load_service_model(SERVICE, "service-2"))


@functools.cache
def sts_shapes() -> dict[str, dict[str, Any]]:
    """The shapes of AWS STS, read at the first request that needs them."""
    shapes: dict[str, dict[str, Any]] = Loader().load_service_model("sts", "service-2")["shapes"]
    return shapes
