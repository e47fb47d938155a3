"""Values that a spec may not have and that AWS holds all the same.

A rule may be newer than an object, and AWS took what it holds. That is no reason to stop managing a target:
what AWS holds is refused by nobody, and only a Get tells what that is.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.api.types import AuthType
from mcp_gateway_operator.api.validation import Location, Problem, validate
from mcp_gateway_operator.targets.known import HeldValues, Record, State
from mcp_gateway_operator.targets.shape import Flat, digest_of, flatten, flatten_target, target_request

_HEADERS: Final = ("allowedRequestHeaders", "allowedResponseHeaders")
_OURS: Final = frozenset(
    (
        *("capabilities", "gatewayId", "targetName", "authType", "toolSync"),
        *("deletionPolicy", "driftPolicy", "managementPolicy", "adoptionPolicy"),
    )
)
"""Fields that say what we do, or what the target is: nothing that AWS could hold already."""


def without_held(state: State, record: Record, gateway: Location, *, region: str, proven: bool) -> State:
    """Return the state without problems with values that its target has, or that only a Get can tell.

    Args:
        state: one whose rows and problems are known.
        record: of its target.
        gateway: where its gateway is.
        region: what an IAM provider without a Region means.
        proven: status proves that AWS holds this very spec.
    """
    spec, row, held = state.obj.spec, state.recorded, state.memory.held_values
    if spec.auth_type not in {"", *AuthType}:
        return state
    want = _digests(flatten(target_request(spec, name="", mark=None), region=region))
    # Where the very same target would not do either, there is nothing to ask AWS.
    if _refused(state, gateway, want, want):
        return state
    fingerprint = row.fingerprint if row is not None else None
    if (target := state.read_now(record.place, record.target_id)) is not None:
        held = HeldValues(fingerprint, _digests(flatten_target(target, region=region)))
    elif held is None and proven:
        held = HeldValues(fingerprint, want)
    memory = state.memory.but(held_values=held)
    if held is None or row is None or held.fingerprint != fingerprint:
        return msgspec.structs.replace(state, memory=memory, held_unknown=True)
    problems = tuple(map(str, _refused(state, gateway, want, held.values)))
    return msgspec.structs.replace(state, memory=memory, problems=problems)


def _refused(state: State, gateway: Location, want: Flat, have: Flat) -> tuple[Problem, ...]:
    """Return what is wrong with a spec beside a target in AWS."""
    headers = [name for field in _HEADERS for name in have.get(field) or ()]
    problems = validate(state.obj.spec, held_headers=headers, gateway=gateway)
    return tuple(each for each in problems if not _held(each, want, have))


def _held(problem: Problem, want: Flat, have: Flat) -> bool:
    """Return whether AWS has all that the problem's field asks for."""
    if problem.across or problem.field in _OURS:
        return False
    return _of(problem.field, want) == _of(problem.field, have)


def _of(field: str, flat: Flat) -> Flat:
    return {name: value for name, value in flat.items() if name.partition(".")[0] == field}


def _digests(flat: Flat) -> Flat:
    """Return a comparable form with digests for values, which may be long; names of headers stay."""
    return {name: value if name in _HEADERS else digest_of(value) for name, value in flat.items()}
