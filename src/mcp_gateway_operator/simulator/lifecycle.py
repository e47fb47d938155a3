"""The asynchronous states of targets and gateways: what a write starts, and where it settles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from . import rules, state, views
from .state import Consent, Shadow

if TYPE_CHECKING:
    from .state import Gateway, Target
    from .world import World

_FAILED_AS = {
    state.CREATING: state.FAILED,
    state.UPDATING: state.UPDATE_UNSUCCESSFUL,
    state.SYNCHRONIZING: state.SYNCHRONIZE_UNSUCCESSFUL,
}
_PENDING_AS = {
    state.CREATING: "CREATE_PENDING_AUTH",
    state.UPDATING: "UPDATE_PENDING_AUTH",
    state.SYNCHRONIZING: "SYNCHRONIZE_PENDING_AUTH",
}
_PHASE_OF = {pending: phase for phase, pending in _PENDING_AS.items()}
_CONSENT_EXPIRED = "The authorization was not completed before the authorization URL expired."


def begin(world: World, target: Target, phase: str, now: float) -> None:
    """Put `target` into CREATING, UPDATING, SYNCHRONIZING or DELETING, and schedule the end of that state."""
    target.epoch += 1
    target.status = phase
    target.reasons = ()
    target.consent = None
    target.due = now + world.lasting(_seconds(world, target, phase))
    resume(world, target)


def resume(world: World, target: Target) -> None:
    """Schedule the end of the state that `target` is in, if it ends by itself."""
    if target.status in _FAILED_AS or target.status == state.DELETING:
        if target.due is not None:
            world.timeline.schedule(target.due, partial(_settle, world, target, target.epoch))
    elif target.consent is not None:
        world.timeline.schedule(target.consent.expires, partial(_expire, world, target, target.epoch))


def _seconds(world: World, target: Target, phase: str) -> float:
    scenario = world.scenario(target)
    durations = world.settings.durations
    if phase == state.DELETING:
        own = scenario.deleting if scenario else None
        return durations.deleting if own is None else own
    if scenario is not None and scenario.duration is not None:
        return scenario.duration
    return {
        state.CREATING: durations.creating,
        state.UPDATING: durations.updating,
        state.SYNCHRONIZING: durations.synchronizing,
    }[phase]


def _settle(world: World, target: Target, epoch: int, at: float) -> None:
    if target.epoch != epoch:
        return
    if target.status == state.DELETING:
        vanish(world, target, at)
    elif _lacks_tools(world, target):
        _fail(world, target, (rules.NO_TOOL_SCHEMA,), at)
    elif not target.traits.probed:
        _ready(world, target, at)
    elif world.probe_endpoints and world.scenario(target) is None and not _wants_consent(target):
        world.probes.append((target, epoch))
    else:
        _connect(world, target, at)


def _lacks_tools(world: World, target: Target) -> bool:
    if not target.traits.static_schema:
        return False
    scenario = world.scenario(target)
    return target.traits.bad_schema or (scenario is not None and scenario.tool_schema == "missing")


def _connect(world: World, target: Target, at: float) -> None:
    target.probes += 1
    scenario = world.scenario(target)
    outcome, reasons = scenario.verdict(target, world.rng) if scenario else ("ready", ())
    if outcome == "failed":
        _fail(world, target, reasons, at)
    elif _wants_consent(target) or (outcome == "consent" and not target.consented):
        ask_consent(world, target, at)
    else:
        _ready(world, target, at)


def _wants_consent(target: Target) -> bool:
    return target.traits.consent and not target.consented


def probed(world: World, target: Target, epoch: int, reasons: tuple[str, ...], at: float) -> None:
    """Report the outcome of a real connection to a target's server; no reasons means success."""
    if target.epoch != epoch or target.status not in _FAILED_AS:
        return
    target.probes += 1
    if reasons:
        _fail(world, target, reasons, at)
    else:
        _ready(world, target, at)


def _ready(world: World, target: Target, at: float) -> None:
    target.epoch += 1
    if target.traits.probed:
        target.synced = at
    bump = world.settings.switches.settling_bumps_updated_at
    if bump or (target.status == state.SYNCHRONIZING and world.settings.switches.sync_bumps_updated_at):
        target.updated = at
    target.status = state.READY
    target.reasons = ()
    # Consent holds for one sync: the next Update or Synchronize asks again.
    target.consented = False


def _fail(world: World, target: Target, reasons: tuple[str, ...], at: float) -> None:
    target.epoch += 1
    failed = _FAILED_AS[target.status]
    if failed == state.SYNCHRONIZE_UNSUCCESSFUL:
        failed = world.settings.switches.sync_failure_status
    if world.settings.switches.settling_bumps_updated_at:
        target.updated = at
    target.status = failed
    target.reasons = reasons


def ask_consent(world: World, target: Target, at: float) -> None:
    """Turn CREATING, UPDATING or SYNCHRONIZING into its *_PENDING_AUTH, with a fresh authorization URL."""
    target.epoch += 1
    target.status = _PENDING_AS.get(target.status, target.status)
    scenario = world.scenario(target)
    seconds = world.settings.durations.consent
    if scenario is not None and scenario.consent_seconds is not None:
        seconds = scenario.consent_seconds
    request_uri = f"urn:ietf:params:oauth:request_uri:{world.rng.getrandbits(160):040x}"
    target.consent = Consent(
        request_uri=request_uri,
        url=authorization_url(world, target, request_uri),
        user=f"user-{world.rng.getrandbits(64):016x}",
        expires=at + seconds,
    )
    resume(world, target)


def authorization_url(world: World, target: Target, request_uri: str) -> str:
    """Where a person consents; where the simulator is served, opening the link is consent enough."""
    base = world.base_url or f"https://bedrock-agentcore.{target.gateway.region.name}.amazonaws.com"
    path = "/_sim/authorize" if world.base_url else "/identities/oauth2/authorize"
    return f"{base}{path}?request_uri={quote(request_uri, safe='')}"


def _expire(world: World, target: Target, epoch: int, at: float) -> None:
    if target.epoch != epoch or world.settings.switches.pending_auth_expiry == "stay":
        return
    finish_consent(world, target, approved=False, at=at)


def finish_consent(world: World, target: Target, *, approved: bool, at: float) -> None:
    """Complete (or fail) the authorization that `target` waits for.

    After an approval the service connects to the server at once, with what that brings.
    """
    target.status = _PHASE_OF[target.status]
    target.consent = None
    if approved:
        target.consented = True
        target.epoch += 1
        _settle(world, target, target.epoch, at)
    else:
        _fail(world, target, (_CONSENT_EXPIRED,), at)


def force(world: World, target: Target, status: str, reasons: tuple[str, ...], now: float) -> None:
    """Set a target's status from outside, without a caller's doing. Transient states go on from there."""
    if status in _FAILED_AS or status == state.DELETING:
        begin(world, target, status, now)
    elif status in state.PENDING_AUTH:
        target.status = _PHASE_OF[status]
        ask_consent(world, target, now)
    else:
        target.epoch += 1
        target.status = status
        target.consent = None
    target.reasons = reasons


def vanish(world: World, target: Target, at: float) -> None:
    """The target is gone: Get answers 404 from now on."""
    target.epoch += 1
    target.gateway.remove(target, at)
    del world.targets[target.id]
    lag = world.settings.consistency.list_lag
    if lag:
        ghosts = target.gateway.ghosts
        target.gateway.ghosts = [*(ghost for ghost in ghosts if at < ghost[0] + lag), (at, target)]


def cast_shadow(world: World, target: Target, now: float) -> None:
    """Keep what lagging readers go on seeing, before a write changes `target`."""
    consistency = world.settings.consistency
    if not consistency.list_lag and not consistency.get_lag_after_write:
        return
    switches = world.settings.switches
    target.shadow = Shadow(now, views.full_target(target, switches), views.target_summary(target, switches))


def begin_gateway(world: World, gateway: Gateway, phase: str, now: float) -> None:
    """Put a gateway into CREATING, UPDATING or DELETING, and schedule the end of that state."""
    gateway.epoch += 1
    gateway.status = phase
    gateway.reasons = ()
    gateway.due = now + world.lasting(world.settings.durations.gateway)
    resume_gateway(world, gateway)


def resume_gateway(world: World, gateway: Gateway) -> None:
    """Schedule the end of the state that `gateway` is in, if it ends by itself."""
    if gateway.due is not None and gateway.status in {state.CREATING, state.UPDATING, state.DELETING}:
        world.timeline.schedule(gateway.due, partial(_settle_gateway, world, gateway, gateway.epoch))


def _settle_gateway(world: World, gateway: Gateway, epoch: int, at: float) -> None:
    if gateway.epoch != epoch:
        return
    if gateway.status == state.DELETING:
        gateway.region.gateways.pop(gateway.id, None)
    else:
        gateway.status = state.READY
        if world.settings.switches.settling_bumps_updated_at:
            gateway.updated = at
