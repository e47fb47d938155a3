"""Does AWS hold what the spec asks for? A full read, the differences, and the update that removes them."""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Drift, Held, Row, State, Verified, Written
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.awaited_reads import idle, next_read
from mcp_gateway_operator.targets.rules.consent import asks_person
from mcp_gateway_operator.targets.rules.retries import attempt, backoff, read
from mcp_gateway_operator.targets.shape import (
    FAILED,
    NO_FIELDS,
    FieldDiff,
    Fingerprint,
    Flat,
    Target,
    account_and_region,
    describe_diffs,
    digest_of,
    field_diffs,
    filled_in_by_aws,
    flatten_target,
    instant,
    without_marker,
)

DRIFT_BASE = 60.0
DRIFT_MAX = 3600.0
"""Seconds between two repairs of a target that somebody else keeps changing."""
OUTDATED_AGAIN = 5.0
"""Seconds after which a target is read again that AWS showed as it was before our last write."""
WAR = 5
"""Repairs, one soon after the other, from which on a target is fought over."""


def compare(state: State, row: Row) -> act.Step | act.Wait | None:
    """Read the target in full when it, or the spec, is not what was verified; update on a real diff."""
    memory = state.memory
    verified = memory.held.verified
    target = state.read_now(row.place, row.summary.target_id)
    unchanged = (
        verified is not None
        and verified.digest == state.want_digest
        and configured_alike(verified.fingerprint, row.fingerprint)
        # A read of this pass may be ahead of the Lists, and no List will tell of what it showed.
        and (target is None or target.summary.updated_at == verified.updated_at)
        and not memory.drift.check
    )
    swept = memory.held.next_sweep is None or state.now < memory.held.next_sweep
    # What the gateway's Lists cannot tell of, a Get is not likely to: the sweep waits for their return.
    if unchanged and (swept or state.view(row.place).error is not None):
        return None
    if target is None:
        return _read_in_full(state, row, changed=not unchanged)
    if (why := changed_hands(state, row, target)) is not None:
        return why
    diffs = differences(state, target)
    if not diffs:
        return act.Verify(digest=state.want_digest)
    if row.summary.status in FAILED and not state.edited:
        # AWS may keep the old configuration when an update fails; the repair of the failure sends it again.
        return None
    return _outdated(state, target) or _update(state, row, diffs)


def configured_alike(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    """Compare what two Lists showed, but for the status; None is a List that has not shown it yet."""
    return one == other or (one is not None and other is not None and one.configured_like(other))


def _read_in_full(state: State, row: Row, *, changed: bool) -> act.Step | act.Wait | None:
    """Read the target at once for an edit or after a write of ours, else as `next_read` allows."""
    held = state.memory.held
    urgent = state.edited or (held.verified is not None and changed)
    budgeted = changed and not state.edited
    ours = held.written is not None and state.now < held.written.answered_at + LIST_LAG
    until = next_read(state)
    if not budgeted or ours or state.now >= until:
        return read(state, row, urgent=urgent, budgeted=budgeted)
    ready = state.obj.was_ready
    if row.summary.status in FAILED or (idle(state, row) and ready):
        return None
    message = "Changed outside again and again; what was changed is read within ten minutes."
    if ready:
        return act.Blocked(reason=Reason.DRIFTED, message=message, until=until)
    return act.Await(reason=Reason.DRIFTED, message=message, until=until, quiet=True)


def _outdated(state: State, target: Target) -> act.Await | None:
    """Return the wait when a read is older than our last write: it says nothing of what AWS holds now."""
    if state.memory.held.written is None:
        return None
    updated_at, answered = state.memory.held.written
    end = answered + LIST_LAG
    if state.now >= end or instant(target.summary.updated_at) >= instant(updated_at):
        return None
    return act.Await(
        reason=Reason.UPDATING,
        message="AWS accepted the update and still shows the target as it was before.",
        until=min(state.now + OUTDATED_AGAIN, end),
    )


def changed_hands(state: State, row: Row, target: Target) -> act.Blocked | None:
    """The target as read in full decides whose it is, whatever a List said before."""
    why = ownership.objection(state, msgspec.structs.replace(row, summary=target.summary))
    return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True) if why else None


def differences(state: State, target: Target, *, defaults: Flat | None = None) -> tuple[FieldDiff, ...]:
    """Return what a target lacks of the spec; `defaults` in place of the remembered ones.

    A description that AWS holds in full, from before there was a marker to make room for, is no difference:
    a missing marker alone never is. Nor is what AWS itself filled in when we left it out.
    """
    region = account_and_region(target.gateway_arn)[1]
    have = flatten_target(target, region=region)
    full = without_marker(state.obj.spec.description)
    if full and have.get("description") == full and "description" in state.want:
        have["description"] = state.want["description"]
    known = state.memory.held.defaults if defaults is None else defaults
    for field, value in known.items():
        if field not in state.want and have.get(field) == value:
            del have[field]
    return field_diffs(state.want, have)


def signature(diffs: tuple[FieldDiff, ...]) -> str:
    """Return what stands for a difference in memory and status."""
    return digest_of([(d.field, d.want, d.have) for d in diffs])


def _update(state: State, row: Row, diffs: tuple[FieldDiff, ...]) -> act.Step | act.Wait:
    memory = state.memory
    text = describe_diffs(diffs)
    if not state.edited:
        sign = signature(diffs)
        unkept = memory.drift.check and memory.drift.sent == sign
        if unkept or state.obj.status.not_converging == sign:
            return act.Blocked(
                reason=Reason.NOT_CONVERGING,
                message=f"AWS does not keep what the spec asks for, and it is not sent again: {text}",
                stalled=True,
                signature=sign,
            )
        # Where nothing is said, an update that would ask a person for consent again is not sent by itself.
        policy = state.obj.spec.drift_policy or state.ruling.drift_policy
        if policy == "Report" or (not policy and asks_person(state)):
            return act.Blocked(
                reason=Reason.DRIFTED,
                message=f"Changed outside, and driftPolicy is Report: {text}",
                stalled=True,
            )
        if state.now < memory.drift.not_before:
            return act.Blocked(
                reason=Reason.DRIFTED,
                message=f"Changed outside again; waiting before the next repair: {text}",
                until=memory.drift.not_before,
            )
    return update(state, row, act.Cause.EDIT if state.edited else act.Cause.DRIFT, diffs)


def update(
    state: State, row: Row, cause: act.Cause, diffs: tuple[FieldDiff, ...]
) -> act.Update | act.Await | act.Blocked:
    """Return the Update that makes AWS hold what the spec says, or the wait that a failure asks for."""
    return attempt(
        state,
        act.Update(
            place=row.place,
            target_id=row.summary.target_id,
            request=state.request,
            digest=state.want_digest,
            cause=cause,
            diffs=diffs,
        ),
    )


def held_as_read(state: State, row: Row, target: Target, digest: str) -> Held:
    """Return what AWS holds once a read has shown no difference."""
    proof = Verified(digest=digest, fingerprint=row.fingerprint, updated_at=target.summary.updated_at)
    return msgspec.structs.replace(state.memory.held, verified=proof, applied=state.obj.metadata.generation)


def held_as_written(
    state: State, target: Target, *, digest: str, at: float, diffs: tuple[FieldDiff, ...]
) -> tuple[Held, Drift]:
    """Return what AWS holds after a write of ours, and what of it AWS did not keep.

    Args:
        state: what the write was decided on.
        target: the answer.
        digest: of the configuration that was sent.
        at: when the answer came.
        diffs: what the write was to change.
    """
    defaults = filled_in_by_aws(differences(state, target, defaults=NO_FIELDS), cleared=diffs)
    unkept = differences(state, target, defaults=defaults)
    held = msgspec.structs.replace(
        state.memory.held,
        verified=Verified(digest=digest, fingerprint=None, updated_at=target.summary.updated_at),
        written=Written(target.summary.updated_at, at),
        applied=state.obj.metadata.generation,
        defaults=defaults,
    )
    return held, msgspec.structs.replace(state.memory.drift, check=bool(unkept), sent=signature(unkept))


def at_war(drift: Drift, now: float) -> bool:
    """Whether somebody else writes a target, too: so often was it repaired without an hour's peace."""
    return drift.attempts >= WAR and now <= drift.not_before + DRIFT_MAX


def drift_repaired(drift: Drift, diffs: tuple[FieldDiff, ...], now: float) -> Drift:
    """Date the next repair of drift: later each time, while somebody keeps changing the target."""
    attempts = 0 if now > drift.not_before + DRIFT_MAX else drift.attempts
    return Drift(
        attempts=attempts + 1,
        not_before=now + backoff(attempts, base=DRIFT_BASE, maximum=DRIFT_MAX),
        sent=signature(diffs),
        check=True,
    )
