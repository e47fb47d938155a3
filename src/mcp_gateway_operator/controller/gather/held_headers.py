"""Headers that a spec may not ask for and that AWS holds all the same.

Objects of the Go operator may have some that AWS refuses by now. That is no reason to stop managing their
targets, and only a Get tells which headers a target has.
"""

from __future__ import annotations

from dataclasses import replace

from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.targets.known import HeldHeaders, Record, State


def held_headers(state: State, record: Record, *, proven: bool) -> State:
    """Return the state without problems with headers that its target has, or that only a Get can tell.

    Args:
        state: one whose rows and problems are known.
        record: of its target.
        proven: status proves that AWS holds this very spec.
    """
    spec, row, held = state.obj.spec, state.recorded, state.memory.held_headers
    asked = (*spec.allowed_request_headers, *spec.allowed_response_headers)
    if validate(spec, held_headers=asked):
        return state
    fingerprint = row.fingerprint if row is not None else None
    if (target := state.read_now(record.target_id)) is not None:
        metadata = target.config.get("metadataConfiguration") or {}
        lists = (metadata.get(field) or () for field in ("allowedRequestHeaders", "allowedResponseHeaders"))
        held = HeldHeaders(fingerprint, frozenset(name.lower() for names in lists for name in names))
    elif held is None and proven:
        held = HeldHeaders(fingerprint, frozenset(name.lower() for name in asked))
    memory = state.memory.but(held_headers=held)
    if held is None or row is None or held.fingerprint != fingerprint:
        return replace(state, memory=memory, headers_unknown=True)
    problems = tuple(map(str, validate(spec, held_headers=held.names)))
    return replace(state, memory=memory, problems=problems)
