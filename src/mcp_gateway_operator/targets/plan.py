"""The decision: from one state to the one next action. Pure and total.

Each step is a function that returns the action its rule asks for, or None to let the next rule speak;
the order of the rules is the design.
"""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, State
from mcp_gateway_operator.targets.rules.awaited_reads import unlisted
from mcp_gateway_operator.targets.rules.creation import plan_creation
from mcp_gateway_operator.targets.rules.deletion import plan_deletion
from mcp_gateway_operator.targets.rules.move import clear_up, plan_move
from mcp_gateway_operator.targets.rules.not_permitted import not_permitted, withhold
from mcp_gateway_operator.targets.rules.observe_only import OBSERVED, PAUSED, observe
from mcp_gateway_operator.targets.rules.recorded import plan_recorded
from mcp_gateway_operator.targets.rules.retries import read


def plan(state: State) -> act.Step | act.Wait:
    """Return what to do next for one MCPServer."""
    if state.obj.metadata.deletion_timestamp:
        return plan_deletion(state)
    observes, paused = state.obj.spec.management_policy == "Observe", state.obj.paused
    for rule in _RULES_OF_OBSERVED if observes else _RULES_OF_PAUSED if paused else _RULES:
        if (action := rule(state)) is not None:
            return action
    if observes or paused:
        return observe(state, pursue=_pursue, manner=OBSERVED if observes else PAUSED)
    if state.record is not None and state.destination is not None:
        return plan_move(state, state.destination, create=_create)
    return _pursue(state)


def _pursue(state: State) -> act.Step | act.Wait:
    """Decide for a target that is not to move."""
    if state.record is None:
        return _create(state)
    action = withhold(state, plan_recorded(state, lost=plan_creation))
    return clear_up(state, action) if state.leftovers or state.immovable != NOWHERE else action


def _create(state: State) -> act.Step | act.Wait:
    return withhold(state, plan_creation(state))


def _reprotect(state: State) -> act.Protect | None:
    """Protect a managed object again that lost its finalizer, before anything else and whatever its spec."""
    if state.record is None or state.protected:
        return None
    return act.Protect(place=state.record.place)


def _held_values(state: State) -> act.Step | act.Wait | None:
    """Learn what AWS holds before it is refused: what it took once goes on working."""
    if not state.held_unknown or state.record is None:
        return None
    if state.recorded is None:
        return unlisted(state, state.record.place)
    return read(state, state.recorded, urgent=False)


def _reject(state: State) -> act.Reject | None:
    if state.problems:
        return act.Reject(reason=Reason.VALIDATION_ERROR, message="; ".join(state.problems))
    if state.place == NOWHERE and state.ruling.frozen is None:
        return act.Reject(
            reason=Reason.CONFIGURATION_ERROR,
            message=(
                "No gateway: set spec.gatewayId, or start the operator with --gateway-id (GATEWAY_ID) "
                "for all objects that name none."
            ),
        )
    return None


def _protect(state: State) -> act.Protect | None:
    """Finalizer before effect. An earlier note of a gateway stays until that place has been looked at."""
    if state.protected:
        return None
    return act.Protect(place=state.place if state.noted == NOWHERE else state.noted)


_RULES = (_reprotect, _held_values, not_permitted, _reject, _protect)
"""What comes before the target of an object that is managed."""
_RULES_OF_PAUSED = (_reprotect, _held_values, not_permitted, _reject)
_RULES_OF_OBSERVED = (_held_values, not_permitted, _reject)
