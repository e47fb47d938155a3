"""What a pass remembers of an AWS call: the record, what AWS now holds, the next try after a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import structlog

from mcp_gateway_operator.agentcore.quota import Op
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.controller.account import Account
from mcp_gateway_operator.controller.gather import ObjectIndex
from mcp_gateway_operator.controller.perform.failed_calls import trouble_of
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    AgentCoreError,
    Details,
    ErrorKind,
    Record,
    State,
    Verified,
    stored_record,
)
from mcp_gateway_operator.targets.rules import DRIFT_BASE, DRIFT_MAX, backoff, differences, signature
from mcp_gateway_operator.targets.shape import (
    NO_FIELDS,
    PENDING_AUTH,
    TRANSIENT,
    FieldDiff,
    Target,
    filled_in_by_aws,
)

REPORT_DELAY = 2.0
"""Seconds for which a record may wait for READY, so that both make one write: the marker covers a crash."""

# AWS says in prose that a write must wait; the code is the one it uses for any busy target.
_CONSENT = re.compile(r"authorization|PENDING_AUTH", re.IGNORECASE)

log = structlog.get_logger(__name__)


class Outcome:
    """Notes what calls brought, in the observer's tables and in the object's memory."""

    def __init__(self, ports: Ports, index: ObjectIndex, account: Account) -> None:
        self._ports = ports
        self._index = index
        self._account = account

    def record(self, state: State, gateway_id: str, target: Target) -> None:
        """Remember which target is the object's; the status says so at the end of the pass, or soon after."""
        memory = state.memory
        memory.record = Record(
            gateway_id=gateway_id,
            target_id=target.summary.target_id,
            gateway_arn=target.gateway_arn,
            target_name=target.summary.name,
        )
        memory.replaces = stored_record(state.obj)
        memory.trouble = None
        # From here on a target exists: only its own end proves that nothing is left.
        memory.protected_here = False
        memory.report_after = self._ports.clock() + (REPORT_DELAY if state.settings.marks else 0.0)
        self._index.claim(target.summary.target_id, state.obj.key)

    @contextmanager
    def adopting(self, state: State, target_id: str) -> Iterator[None]:
        """Let no other object adopt a target while the request for this one is on its way."""
        self._index.claim(target_id, state.obj.key)
        try:
            yield
        except BaseException:
            self._index.disclaim(target_id, state.obj.key)
            raise

    def note_trouble(self, state: State, action: act.Action, error: AgentCoreError) -> None:
        """Remember a failed call, so that it is not sent again at once."""
        op = _OPS[type(action)]
        row = state.recorded
        busy = isinstance(action, act.Delete) and row is not None and row.summary.status in TRANSIENT
        if busy and error.kind is ErrorKind.VALIDATION:
            # Nothing in a Delete can be invalid: AWS objects to the state, in words that nobody knew before.
            error = AgentCoreError(ErrorKind.CONFLICT, error.code, error.message)
        trouble = trouble_of(error, op, state, self._ports.rng)
        if error.kind is ErrorKind.NOT_FOUND and isinstance(action, act.Update | act.Synchronize):
            table = self._ports.observer.track(action.gateway_id)
            table.apply_absent(action.target_id, began=self._ports.clock())
            return
        asks = row is not None and row.summary.status in PENDING_AUTH and _CONSENT.search(error.message)
        if asks and row is not None and error.kind is ErrorKind.CONFLICT:
            trouble = msgspec.structs.replace(
                trouble,
                reason=Reason.PENDING_AUTHORIZATION,
                message=f"AWS waits for consent and refuses to {op.lower()} the target: {error.message}",
                awaits_consent=row.summary.status,
            )
        state.memory.trouble = trouble
        log.info(
            "aws call failed",
            namespace=state.obj.metadata.namespace,
            name=state.obj.metadata.name,
            operation=str(op),
            code=error.code,
            error=error.message,
            again_in=round(trouble.until - state.now, 1),
        )

    def applied(self, state: State, digest: str, target: Target, diffs: tuple[FieldDiff, ...] = ()) -> None:
        """Note what AWS holds after a write of ours, and what of it AWS did not keep.

        Args:
            state: what the write was decided on.
            digest: of the configuration that was sent.
            target: the answer.
            diffs: what the write was to change.
        """
        memory = state.memory
        now = self._ports.clock()
        memory.verified = Verified(digest=digest, fingerprint=None, updated_at=target.summary.updated_at)
        memory.written = (target.summary.updated_at, now)
        self.swept(state)
        memory.applied = memory.indexed_for = state.obj.metadata.generation
        memory.defaults = NO_FIELDS
        memory.defaults = filled_in_by_aws(differences(state, target), cleared=diffs)
        unkept = differences(state, target)
        memory.verify_after_repair = bool(unkept)
        memory.sent_diff = signature(unkept)

    def swept(self, state: State) -> None:
        """Date the next full comparison, after one or after a write that makes one needless."""
        spread = 0.9 + self._ports.rng.random() / 5
        state.memory.next_sweep = self._ports.clock() + state.settings.sweep_interval * spread

    def write_noted(self, gateway_id: str, target: Target, began: float) -> None:
        """Put a write's answer into the observer's table at once.

        Lists report what others did, so whoever waits for a name that this write freed is woken here.
        """
        self._account.hear(gateway_id, target.gateway_arn)
        table = self._ports.observer.track(gateway_id)
        for change in table.apply_write(target, began=began, ended=self._ports.clock()):
            if change.before is not None and change.before.name != target.summary.name:
                for key in self._index.wanting(change.before.name):
                    self._ports.queue.add(key, urgent=False)

    def note_details(self, state: State, gateway_id: str, target: Target) -> None:
        """Keep what only a Get tells."""
        memory = state.memory
        table = self._ports.observer.table(gateway_id)
        row = table.row(target.summary.target_id) if table else None
        memory.details = Details(
            fingerprint=row.fingerprint if row else None,
            reasons=target.status_reasons,
            authorization_url=target.authorization_url,
            read_at=self._ports.clock(),
        )

    def drift_repaired(self, state: State, diffs: tuple[FieldDiff, ...]) -> None:
        """Date the next repair of drift: later each time, while somebody keeps changing the target."""
        memory, now = state.memory, self._ports.clock()
        if now > memory.drift_next + DRIFT_MAX:
            memory.drift_attempts = 0
        memory.drift_next = now + backoff(memory.drift_attempts, base=DRIFT_BASE, maximum=DRIFT_MAX)
        memory.drift_attempts += 1
        memory.sent_diff = signature(diffs)
        memory.verify_after_repair = True

    def repaired(self, state: State) -> None:
        """Count a repair that was sent; its result dates the next one."""
        state.memory.failure_attempts += 1
        state.memory.failure_next = None
        state.memory.details = None
        state.memory.report_after = self._ports.clock() + REPORT_DELAY


_OPS = {
    act.Read: Op.GET,
    act.CheckGateway: Op.GET,
    act.Create: Op.CREATE,
    act.Update: Op.UPDATE,
    act.Synchronize: Op.SYNCHRONIZE,
    act.Delete: Op.DELETE,
}
