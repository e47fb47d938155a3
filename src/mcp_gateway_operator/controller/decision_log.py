"""What the log says of a pass: to which one a line belongs, and at level debug each decision in one line.

The line of a write to AWS is `agentcore/aws/call_log.py`'s; the performer gives it the cause.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from itertools import count

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.perform import OPS
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import deadline, waits_of
from mcp_gateway_operator.shown import counted
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, State

log = structlog.get_logger(__name__)

_TARGET_ID = re.compile("[0-9A-Za-z]{10}")
_REASONS = frozenset(value for name, value in vars(Reason).items() if name.isupper())


class DecisionLog:
    """Numbers the passes of one process, and tells of decisions. No text of a spec or of AWS's is in it."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._numbers = count(1)
        # Numbers begin anew with a process; the second of its start keeps them apart.
        self._start = f"{int(ports.wall().timestamp()):x}"

    def begin(self, obj: MCPServer) -> None:
        """Bind a new pass to every line that this task logs from now on, in AWS's threads, too.

        It stays bound until the next pass: what a worker says of how it ended belongs to it as well.
        """
        meta = obj.metadata
        clear_contextvars()
        bind_contextvars(
            pass_id=f"{self._start}-{next(self._numbers)}",
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
        )

    def decided(
        self, state: State, decision: act.Step | act.Wait, *, ticketless: act.Step | None = None
    ) -> None:
        """Tell of one decision, if anybody wants to know.

        Args:
            state: what it rests on.
            decision: the step that comes next, or the wait that ends the pass.
            ticketless: the step for which there was no ticket, where that is what is waited for.
        """
        if log.is_enabled_for(logging.DEBUG):
            log.debug("decided", **self.described(state, decision, ticketless=ticketless))

    def described(
        self, state: State, decision: act.Step | act.Wait, *, ticketless: act.Step | None = None
    ) -> dict[str, object]:
        """Return what the log says of a decision, with the arguments of `decided`."""
        step = decision.step if isinstance(decision, act.AtPlace) else decision
        place = getattr(decision, "place", NOWHERE)
        asides = (each for each in (state.destination, *state.leftovers) if each is not None)
        at = next((each for each in asides if each.place == place), state)
        op = OPS.get(type(step))
        fields: dict[str, object] = {
            "action": type(step).__name__,
            "reason": _reason(at, step),
            "gateway": (state.place if place == NOWHERE else place).gateway_id,
            "ticket": op.value if op is not None else "none needed",
        }
        if isinstance(decision, act.Wait):
            until = deadline(decision)
            fields |= {
                "until": self._stamp(until) if until is not None else "woken",
                "why_not_sooner": "; ".join(why_not_sooner(state, decision)),
            }
        if ticketless is not None:
            inner = ticketless.step if isinstance(ticketless, act.AtPlace) else ticketless
            fields["ticket"] = f"none free for {OPS[type(inner)].value}"
        return fields

    def explained(self, state: State, decision: act.Step | act.Wait) -> dict[str, object]:
        """Return what there is to say of an object to who asks: the decision, and when its next pass is.

        A pass may begin with a look, whatever it ends in: how the last one ended is what Ready says.
        """
        queue, key = self._ports.queue, state.obj.key
        due = queue.due_in(key)
        ready, there = state.obj.status.condition(ConditionType.READY), state.destination
        frozen = state.ruling.frozen or (there.ruling.frozen if there is not None else None)
        target = state.record.target_id if state.record is not None else ""
        return {
            "generation": state.obj.metadata.generation,
            # Others may write to status as well, and only words of ours are repeated, and ids of AWS's form.
            "ready_reason": ready.reason if ready is not None and ready.reason in _REASONS else "",
            "recorded_target": target if _TARGET_ID.fullmatch(target) else "",
            "frozen": frozen.reason if frozen is not None else "",
            "decision": self.described(state, decision),
            "next_pass_in_seconds": None if due is None else round(due, 1),
            "failed_passes": queue.failures(key),
        }

    def _stamp(self, moment: float) -> str:
        ports = self._ports
        wall = ports.wall() + timedelta(seconds=moment - ports.clock())
        return wall.isoformat(timespec="milliseconds")


def _reason(state: State, step: act.Step | act.Wait) -> str:
    match step:
        case act.Await() | act.Blocked() | act.Reject():
            return str(step.reason)
        case act.Forget() | act.Release():
            return step.event
        case (
            act.Nothing()
            | act.Settled()
            | act.Protect()
            | act.Note()
            | act.Fetch()
            | act.Move()
            | act.AtPlace()
        ):
            return ""
        case _:
            return act.write_cause(state, step) or ""


def why_not_sooner(state: State, wait: act.Wait) -> list[str]:
    """Return what the object waits for; what is due at `until` comes first."""
    trouble, reasons = state.memory.trouble, []
    match wait:
        case act.Reject():
            return ["only an edit of the object or other settings can help"]
        case act.Nothing():
            return ["another process may write"] if wait.until is not None else ["there is nothing to do"]
        case act.Settled(until=until) if until is not None:
            reasons.append("all is as it should be until the next full comparison or indexing")
    for each in waits_of(wait):
        if trouble is not None and each.until == trouble.until:
            reasons.append(
                f"{counted(trouble.attempts, 'call')} in a row failed, the last one with {trouble.kind.value}"
            )
        elif each.until is not None:
            reasons.append("its next look is not due")
        if each.list_since is not None:
            reasons.append(f"a new List of {each.place.gateway_id} has to end")
        if each.busy:
            reasons.append(f"AWS is at work, and {each.place.gateway_id} is listed often")
        if isinstance(each, act.Blocked) and each.stalled:
            reasons.append("a person has to help")
    return reasons or ["a change of the object or at AWS wakes it"]
