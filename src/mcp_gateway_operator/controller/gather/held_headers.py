"""Headers that a spec may not ask for and that AWS holds all the same.

Objects of the Go operator may have some that AWS refuses by now. That is no reason to stop managing their
targets, and only a Get tells which headers a target has.
"""

from __future__ import annotations

from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.shape import Target


def allow_held(state: State, *, proven: bool) -> None:
    """Drop the problems with headers that the recorded target has, or note that only a Get can tell.

    Args:
        state: one whose rows and problems are known.
        proven: status proves that AWS holds this very spec.
    """
    spec = state.obj.spec
    asked = (*spec.allowed_request_headers, *spec.allowed_response_headers)
    if not state.problems or state.record is None or validate(spec, held_headers=asked):
        return
    row, memory = state.recorded, state.memory
    target = state.read_now(state.record.target_id)
    fingerprint = row.fingerprint if row is not None else None
    if target is not None:
        memory.held_headers = (fingerprint, _headers(target))
    elif memory.held_headers is None and proven:
        memory.held_headers = (fingerprint, frozenset(name.lower() for name in asked))
    held = memory.held_headers
    if held is None or row is None or held[0] != fingerprint:
        state.headers_unknown = True
        return
    state.problems = tuple(map(str, validate(spec, held_headers=held[1])))


def _headers(target: Target) -> frozenset[str]:
    metadata = target.config.get("metadataConfiguration") or {}
    lists = (metadata.get(field) or () for field in ("allowedRequestHeaders", "allowedResponseHeaders"))
    return frozenset(name.lower() for names in lists for name in names)
