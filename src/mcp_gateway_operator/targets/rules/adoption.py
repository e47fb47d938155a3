"""Taking over a target that this object did not make, where the operator and the object both allow it.

The operator's consent comes first: else any namespace could seize targets that Terraform made.
"""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules.drift import differences, update
from mcp_gateway_operator.targets.rules.retries import read
from mcp_gateway_operator.targets.shape import TRANSIENT, Target


def adopt(state: State, row: Row) -> act.Step | act.Wait | None:
    """Return what takes over the target that holds the wanted name, None where it must be left alone.

    A target without a marker is recorded as it is; a difference is then an update like any other. One that
    still carries the marker of an MCPServer that does not exist any more gets ours first, with the whole
    spec: a record never stands beside another object's marker.
    """
    asked = state.obj.spec.adoption_policy == "IfExists"
    if state.ruling.frozen or not asked or not state.settings.allow_adoption:
        return None
    if not _free(state, row.summary.marker):
        return None
    if row.summary.marker is not None and row.summary.status in TRANSIENT:
        return act.Await(
            reason=Reason.CREATING,
            message=f"Waiting until target {row.summary.target_id} leaves {row.summary.status} to adopt it.",
            place=row.place,
            busy=True,
        )
    target = state.read_now(row.place, row.summary.target_id)
    if target is None:
        return read(state, row)
    mark = target.summary.marker
    if not _is_server(target) or not _free(state, mark):
        return None
    if mark is None:
        return act.TakeUp(place=row.place, target=target, adopted=True)
    return update(state, row, act.Cause.ADOPTION, differences(state, target))


def advice(state: State, row: Row) -> str:
    """Return the sentence that names the way to keep the target, "" where there is none."""
    if not _free(state, row.summary.marker):
        return ""
    if state.settings.allow_adoption:
        return " To take it over, set spec.adoptionPolicy to IfExists."
    return (
        " To take it over, start the operator with --allow-adoption and set spec.adoptionPolicy to IfExists."
    )


def _free(state: State, mark: str | None) -> bool:
    """Whether no object has the target: none records it, and its marker, if any, names none there is."""
    return not state.name_recorded and (mark is None or mark in state.orphans)


def _is_server(target: Target) -> bool:
    return "mcpServer" in target.config.get("targetConfiguration", {}).get("mcp", {})
