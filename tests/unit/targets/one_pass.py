"""One pass over an AWS that stands still: it ends, wherever it began, and ends at the same place again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Details, Place, Record, Row, State, Verified
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.shape import FAILED, TRANSIENT, Target, TargetStatus
from tests.unit.targets.any_state import BOOLEANS, TARGETS
from tests.unit.targets.builders import ACCOUNT, NOW, REGION, TARGET, TWIN, remembering, target

MAX_STEPS = 12
"""What the controller allows in one pass."""
_MAYBE_ONE = st.none() | TARGETS


def _told(state: State, place: Place, **changes: Any) -> State:
    """Return a state in which AWS has said something of a gateway itself."""
    view = state.view(place)
    view = msgspec.structs.replace(view, existence=msgspec.structs.replace(view.existence, **changes))
    return msgspec.structs.replace(state, gateways={**state.gateways, place: view})


class StillAws:
    """Targets by id, and what an action's outcome adds to a state. Time does not pass."""

    def __init__(self, held: dict[str, Target], *, gateway_found: bool) -> None:
        self.held = held
        self.gateway_found = gateway_found

    def step(self, state: State, action: act.Step) -> State:
        """Carry one action out, and return what is known then."""
        match action:
            case act.Protect():
                return self._protect(state, action.place)
            case act.Fetch():
                return msgspec.structs.replace(state, fresh=True)
            case act.Read():
                return self._read(state, action.target_id)
            case act.Create():
                self.held["CREATED001"] = target(target_id="CREATED001", status="CREATING")
                return self._record(state, action.place, self.held["CREATED001"])
            case act.TakeUp():
                return self._record(state, action.place, action.target)
            case act.Verify():
                assert state.recorded is not None
                row = state.recorded
                read = state.read_now(row.place, row.summary.target_id)
                assert read is not None
                proof = Verified(
                    digest=action.digest,
                    fingerprint=state.recorded.fingerprint,
                    updated_at=read.summary.updated_at,
                )
                return remembering(
                    state,
                    verified=proof,
                    applied=state.obj.metadata.generation,
                    verify_after_repair=False,
                    next_sweep=NOW + 3600.0,
                )
            case act.Update() | act.Synchronize() | act.Delete():
                going = isinstance(action, act.Delete)
                status = TargetStatus.DELETING if going else TargetStatus.UPDATING
                return self._write(state, action.target_id, status=status)
            case act.CheckGateway():
                answer = {"known_at": NOW} if self.gateway_found else {"unknown_at": NOW}
                return _told(state, action.place, asked=False, where_at=NOW, **answer)
            case act.CallTheRoll():
                return _told(state, action.place, rolling=True)
            case _:
                return state

    def _protect(self, state: State, place: Place) -> State:
        meta = state.obj.metadata
        obj = msgspec.structs.replace(
            state.obj,
            metadata=msgspec.structs.replace(
                meta,
                finalizers=(*meta.finalizers, names.FINALIZER),
                annotations={**meta.annotations, names.GATEWAY_ANNOTATION: place.gateway_id},
            ),
        )
        return msgspec.structs.replace(state, obj=obj, fresh=True)

    def _read(self, state: State, target_id: str) -> State:
        found = self.held.get(target_id)
        if found is None:
            return self._absent(state, target_id)
        state = msgspec.structs.replace(state, targets=(found, *state.targets))
        record = state.record
        if record is not None and record.target_id == target_id:
            state = msgspec.structs.replace(state, absences=None)
            if state.recorded is None:
                state = self._record(state, record.place, found)
        state = self._change(state, target_id, lambda row: _shown(row, found))
        row = state.recorded
        state = remembering(
            state,
            details=Details(fingerprint=row.fingerprint if row else None, reasons=(), authorization_url=None),
        )
        if found.summary.status in FAILED and state.memory.failure.due is None:
            state = remembering(state, failure_next=NOW + 30.0)
        return state

    def _write(self, state: State, target_id: str, *, status: TargetStatus) -> State:
        found = self.held.get(target_id)
        state = msgspec.structs.replace(state, targets=())
        if found is None:
            return self._absent(state, target_id)
        after = msgspec.structs.replace(found, summary=msgspec.structs.replace(found.summary, status=status))
        self.held[target_id] = after
        return self._change(state, target_id, lambda row: _shown(row, after))

    def _absent(self, state: State, target_id: str) -> State:
        if state.record is not None and state.record.target_id == target_id:
            first = state.absences[0] if state.absences else NOW
            state = msgspec.structs.replace(
                state,
                absences=(first, NOW),
                still_listed=state.still_listed or state.recorded is not None,
                recorded=None,
            )
        return self._change(state, target_id, lambda row: msgspec.structs.replace(row, absent_at=NOW))

    @staticmethod
    def _change(state: State, target_id: str, change: Callable[[Row], Row]) -> State:
        def each(row: Row) -> Row:
            return change(row) if row.summary.target_id == target_id else row

        return msgspec.structs.replace(
            state,
            recorded=each(state.recorded) if state.recorded is not None else None,
            marked=tuple(map(each, state.marked)),
            named=tuple(map(each, state.named)),
            astray=tuple(map(each, state.astray)),
        )

    @staticmethod
    def _record(state: State, place: Place, found: Target) -> State:
        record = Record(
            place=place,
            target_id=found.summary.target_id,
            gateway_arn=found.gateway_arn,
            target_name=found.summary.name,
        )
        row = Row(
            place=place,
            summary=found.summary,
            read_began=NOW,
            fingerprint=None,
            ready=False,
            settled=False,
        )
        return msgspec.structs.replace(state, record=record, recorded=_shown(row, found), absences=None)


def _shown(row: Row, found: Target) -> Row:
    status = found.summary.status
    return msgspec.structs.replace(
        row,
        summary=found.summary,
        read_began=NOW,
        ready=status == TargetStatus.READY,
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
        if (found := draw(_MAYBE_ONE)) is not None
    }
    return StillAws(held, gateway_found=draw(BOOLEANS))


def make_consistent(state: State) -> State:
    """Let the recorded row be the record's, and no target both be seen and be absent.

    And let AWS answer from where the operator is: what it answers names no other account or Region.
    """
    here = msgspec.structs.replace(state.settings, account=ACCOUNT, region=REGION)
    state = msgspec.structs.replace(state, settings=here)
    row, record = state.recorded, state.record
    if row is None or record is None:
        return state
    summary = msgspec.structs.replace(row.summary, target_id=record.target_id)
    shown = msgspec.structs.replace(row, summary=summary, place=record.place)
    return msgspec.structs.replace(state, recorded=shown, absences=None, still_listed=False)


def a_pass_ends(state: State, aws: StillAws) -> None:
    """From here to a wait or the end of the object, in few steps and with one write at most."""
    state = make_consistent(state)
    taken: list[act.Step] = []
    while not isinstance(action := plan(state), act.Wait | act.Release):
        taken.append(action)
        assert len(taken) < MAX_STEPS, taken
        state = aws.step(state, action)
    writes = [step for step in taken if isinstance(step, act.Create | act.Update | act.Synchronize)]
    assert len(writes) <= 1, taken
    assert plan(state) == action
