"""One pass over an AWS that stands still: it ends, wherever it began, and ends at the same place again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known.memory import Details, Record, Verified
from mcp_gateway_operator.targets.known.state import Row, State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.shape.target import FAILED, TRANSIENT, Target
from tests.unit.targets.any_state import likely_states, states, targets
from tests.unit.targets.builders import NOW, TARGET, TWIN, target

MAX_STEPS = 12
"""What the controller allows in one pass."""
ENDS = (act.Nothing, act.Settled, act.Await, act.Blocked, act.Reject, act.Release)


class StillAws:
    """Targets by id, and what an action's outcome adds to a state. Time does not pass."""

    def __init__(self, held: dict[str, Target], *, gateway_found: bool) -> None:
        self.held = held
        self.gateway_found = gateway_found

    def step(self, state: State, action: act.Action) -> None:
        """Carry one action out."""
        match action:
            case act.Protect():
                self._protect(state, action.gateway_id)
            case act.Fetch():
                state.fresh = True
            case act.Read():
                self._read(state, action.target_id)
            case act.Create():
                self.held["CREATED001"] = target(target_id="CREATED001", status="CREATING")
                self._record(state, action.gateway_id, self.held["CREATED001"])
            case act.TakeUp():
                self._record(state, action.gateway_id, action.target)
            case act.Verify():
                assert state.recorded is not None
                assert state.target is not None
                state.memory.verified = Verified(
                    digest=action.digest,
                    fingerprint=state.recorded.fingerprint,
                    updated_at=state.target.summary.updated_at,
                )
                state.memory.applied = state.obj.metadata.generation
                state.memory.verify_after_repair = False
                state.memory.next_sweep = NOW + 3600.0
            case act.Update() | act.Synchronize() | act.Delete():
                going = isinstance(action, act.Delete)
                self._write(state, action.target_id, status="DELETING" if going else "UPDATING")
            case act.CheckGateway():
                state.memory.gateway_gone = not self.gateway_found
                state.memory.gateway_answered = NOW if self.gateway_found else None

    def _protect(self, state: State, gateway_id: str) -> None:
        meta = state.obj.metadata
        state.obj = msgspec.structs.replace(
            state.obj,
            metadata=msgspec.structs.replace(
                meta,
                finalizers=(*meta.finalizers, names.FINALIZER),
                annotations={**meta.annotations, names.GATEWAY_ANNOTATION: gateway_id},
            ),
        )
        state.fresh = True

    def _read(self, state: State, target_id: str) -> None:
        found = self.held.get(target_id)
        if found is None:
            self._absent(state, target_id)
            return
        state.target = found
        if state.record is not None and state.record.target_id == target_id:
            state.absences = None
            if state.recorded is None:
                self._record(state, state.record.gateway_id, found)
        self._change(state, target_id, lambda row: _shown(row, found))
        row = state.recorded
        state.memory.details = Details(
            fingerprint=row.fingerprint if row else None, reasons=(), authorization_url=None
        )
        if found.summary.status in FAILED and state.memory.failure_next is None:
            state.memory.failure_next = NOW + 30.0

    def _write(self, state: State, target_id: str, *, status: str) -> None:
        found = self.held.get(target_id)
        state.target = None
        if found is None:
            self._absent(state, target_id)
            return
        after = msgspec.structs.replace(found, summary=msgspec.structs.replace(found.summary, status=status))
        self.held[target_id] = after
        self._change(state, target_id, lambda row: _shown(row, after))

    def _absent(self, state: State, target_id: str) -> None:
        if state.record is not None and state.record.target_id == target_id:
            first = state.absences[0] if state.absences else NOW
            state.absences = (first, NOW)
            state.still_listed = state.still_listed or state.recorded is not None
            state.recorded = None
        self._change(state, target_id, lambda row: msgspec.structs.replace(row, absent_at=NOW))

    @staticmethod
    def _change(state: State, target_id: str, change: Callable[[Row], Row]) -> None:
        def each(row: Row) -> Row:
            return change(row) if row.summary.target_id == target_id else row

        state.recorded = each(state.recorded) if state.recorded is not None else None
        state.marked = tuple(map(each, state.marked))
        state.named = tuple(map(each, state.named))

    @staticmethod
    def _record(state: State, gateway_id: str, found: Target) -> None:
        state.record = Record(
            gateway_id=gateway_id,
            target_id=found.summary.target_id,
            gateway_arn=found.gateway_arn,
            target_name=found.summary.name,
        )
        row = Row(
            gateway_id=gateway_id,
            summary=found.summary,
            read_began=NOW,
            fingerprint=None,
            ready=False,
            settled=False,
        )
        state.recorded = _shown(row, found)
        state.absences = None


def _shown(row: Row, found: Target) -> Row:
    status = found.summary.status
    return msgspec.structs.replace(
        row,
        summary=found.summary,
        read_began=NOW,
        ready=status == "READY",
        settled=status not in TRANSIENT,
    )


@st.composite
def still_aws(draw: st.DrawFn) -> StillAws:
    """An AWS that holds any of two targets, in any state and shape."""
    held = {
        target_id: msgspec.structs.replace(
            found, summary=msgspec.structs.replace(found.summary, target_id=target_id)
        )
        for target_id in (TARGET, TWIN)
        if (found := draw(st.none() | targets())) is not None
    }
    return StillAws(held, gateway_found=draw(st.booleans()))


def make_consistent(state: State) -> None:
    """Let the recorded row be the record's, and no target both be seen and be absent."""
    row, record = state.recorded, state.record
    if row is not None and record is not None:
        summary = msgspec.structs.replace(row.summary, target_id=record.target_id)
        state.recorded = msgspec.structs.replace(row, summary=summary, gateway_id=record.gateway_id)
        state.absences, state.still_listed = None, False


@settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(states() | likely_states() | likely_states(), still_aws())
def test_a_pass_ends(state: State, aws: StillAws) -> None:
    make_consistent(state)
    taken: list[act.Action] = []
    while not isinstance(action := plan(state), ENDS):
        taken.append(action)
        assert len(taken) < MAX_STEPS, taken
        aws.step(state, action)
    writes = [step for step in taken if isinstance(step, act.Create | act.Update | act.Synchronize)]
    assert len(writes) <= 1, taken
    assert plan(state) == action
