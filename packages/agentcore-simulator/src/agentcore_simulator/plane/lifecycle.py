"""The asynchronous states of targets and gateways: what a write starts, and where it settles."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from agentcore_simulator.plane import resources, service_rules, views
from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.resources import Consent, Gateway, Shadow, Target
from agentcore_simulator.protocol import partition_of

_FAILED_AS = {
    resources.CREATING: resources.FAILED,
    resources.UPDATING: resources.UPDATE_UNSUCCESSFUL,
    resources.SYNCHRONIZING: resources.SYNCHRONIZE_UNSUCCESSFUL,
}
_PENDING_AS = {
    resources.CREATING: "CREATE_PENDING_AUTH",
    resources.UPDATING: "UPDATE_PENDING_AUTH",
    resources.SYNCHRONIZING: "SYNCHRONIZE_PENDING_AUTH",
}
_PHASE_OF = {pending: phase for phase, pending in _PENDING_AS.items()}
_CONSENT_EXPIRED = "The authorization was not completed before the authorization URL expired."


def begin(plane: ControlPlane, target: Target, phase: str, now: float) -> None:
    """Put `target` into CREATING, UPDATING, SYNCHRONIZING or DELETING, and schedule the end of that state."""
    target.epoch += 1
    target.status = phase
    target.reasons = ()
    target.consent = None
    target.due = now + plane.lasting(_seconds(plane, target, phase))
    resume_target(plane, target)


def resume_target(plane: ControlPlane, target: Target) -> None:
    """Schedule the end of the state that `target` is in, if it ends by itself."""
    if target.status in _FAILED_AS or target.status == resources.DELETING:
        if target.due is not None:
            plane.timeline.schedule(target.due, partial(_settle, plane, target, target.epoch))
    elif target.consent is not None:
        plane.timeline.schedule(target.consent.expires, partial(_expire, plane, target, target.epoch))


def _seconds(plane: ControlPlane, target: Target, phase: str) -> float:
    scenario = plane.scenario(target)
    durations = plane.settings.durations
    if phase == resources.DELETING:
        own = scenario.deleting if scenario else None
        return durations.deleting if own is None else own
    if scenario is not None and scenario.duration is not None:
        return scenario.duration
    return {
        resources.CREATING: durations.creating,
        resources.UPDATING: durations.updating,
        resources.SYNCHRONIZING: durations.synchronizing,
    }[phase]


def _settle(plane: ControlPlane, target: Target, epoch: int, at: float) -> None:
    if target.epoch != epoch:
        return
    if target.status == resources.DELETING:
        vanish_target(plane, target, at)
    elif _lacks_tools(plane, target):
        _fail(plane, target, (service_rules.NO_TOOL_SCHEMA,), at)
    elif not target.traits.probed:
        _ready(plane, target, at)
    elif plane.probe_endpoints and plane.scenario(target) is None and not _wants_consent(target):
        plane.probes.append((target, epoch))
    else:
        _connect(plane, target, at)


def _lacks_tools(plane: ControlPlane, target: Target) -> bool:
    if not target.traits.static_schema:
        return False
    scenario = plane.scenario(target)
    return target.traits.bad_schema or (scenario is not None and scenario.tool_schema == "missing")


def _connect(plane: ControlPlane, target: Target, at: float) -> None:
    target.probes += 1
    scenario = plane.scenario(target)
    outcome, reasons = scenario.verdict(target.probes, plane.rng) if scenario else ("ready", ())
    if outcome == "failed":
        _fail(plane, target, reasons, at)
    elif _wants_consent(target) or (outcome == "consent" and not target.consented):
        ask_consent(plane, target, at)
    else:
        _ready(plane, target, at)


def _wants_consent(target: Target) -> bool:
    return target.traits.consent and not target.consented


def finish_probe(
    plane: ControlPlane, target: Target, epoch: int, reasons: tuple[str, ...], at: float
) -> None:
    """Report the outcome of a real connection to a target's server; no reasons means success."""
    if target.epoch != epoch or target.status not in _FAILED_AS:
        return
    target.probes += 1
    if reasons:
        _fail(plane, target, reasons, at)
    else:
        _ready(plane, target, at)


def _ready(plane: ControlPlane, target: Target, at: float) -> None:
    target.epoch += 1
    if target.traits.probed:
        target.synced = at
    bump = plane.settings.switches.settling_bumps_updated_at
    if bump or (target.status == resources.SYNCHRONIZING and plane.settings.switches.sync_bumps_updated_at):
        target.updated = at
    target.status = resources.READY
    target.reasons = ()
    # Consent holds for one sync: the next Update or Synchronize asks again.
    target.consented = False


def _fail(plane: ControlPlane, target: Target, reasons: tuple[str, ...], at: float) -> None:
    target.epoch += 1
    failed = _FAILED_AS[target.status]
    if failed == resources.SYNCHRONIZE_UNSUCCESSFUL:
        failed = plane.settings.switches.sync_failure_status
    if plane.settings.switches.settling_bumps_updated_at:
        target.updated = at
    target.status = failed
    target.reasons = reasons


def ask_consent(plane: ControlPlane, target: Target, at: float) -> None:
    """Turn CREATING, UPDATING or SYNCHRONIZING into its *_PENDING_AUTH, with a fresh authorization URL."""
    target.epoch += 1
    target.status = _PENDING_AS.get(target.status, target.status)
    scenario = plane.scenario(target)
    seconds = plane.settings.durations.consent
    if scenario is not None and scenario.consent_seconds is not None:
        seconds = scenario.consent_seconds
    request_uri = f"urn:ietf:params:oauth:request_uri:{plane.rng.getrandbits(160):040x}"
    target.consent = Consent(
        request_uri=request_uri,
        url=authorization_url(plane, target, request_uri),
        user=f"user-{plane.rng.getrandbits(64):016x}",
        expires=at + seconds,
    )
    resume_target(plane, target)


def authorization_url(plane: ControlPlane, target: Target, request_uri: str) -> str:
    """Where a person consents; where the simulator is served, opening the link is consent enough."""
    region = target.gateway.region.name
    base = plane.base_url or f"https://bedrock-agentcore.{region}.{partition_of(region).domain}"
    path = "/_sim/authorize" if plane.base_url else "/identities/oauth2/authorize"
    return f"{base}{path}?request_uri={quote(request_uri, safe='')}"


def _expire(plane: ControlPlane, target: Target, epoch: int, at: float) -> None:
    if target.epoch != epoch or plane.settings.switches.pending_auth_expiry == "stay":
        return
    finish_consent(plane, target, approved=False, at=at)


def finish_consent(plane: ControlPlane, target: Target, *, approved: bool, at: float) -> None:
    """Complete (or fail) the authorization that `target` waits for.

    After an approval the service connects to the server at once, with what that brings.
    """
    target.status = _PHASE_OF[target.status]
    target.consent = None
    if approved:
        target.consented = True
        target.epoch += 1
        _settle(plane, target, target.epoch, at)
    else:
        _fail(plane, target, (_CONSENT_EXPIRED,), at)


def force_status(
    plane: ControlPlane, target: Target, status: str, reasons: tuple[str, ...], now: float
) -> None:
    """Set a target's status from outside, without a caller's doing. Transient states go on from there."""
    if status in _FAILED_AS or status == resources.DELETING:
        begin(plane, target, status, now)
    elif status in resources.PENDING_AUTH:
        target.status = _PHASE_OF[status]
        ask_consent(plane, target, now)
    else:
        target.epoch += 1
        target.status = status
        target.consent = None
    target.reasons = reasons


def vanish_target(plane: ControlPlane, target: Target, at: float) -> None:
    """The target is gone: Get answers 404 from now on."""
    target.epoch += 1
    target.gateway.remove(target, at)
    lag = plane.settings.consistency.list_lag
    if lag:
        ghosts = target.gateway.ghosts
        target.gateway.ghosts = [*(ghost for ghost in ghosts if at < ghost[0] + lag), (at, target)]


def cast_shadow(plane: ControlPlane, target: Target, now: float) -> None:
    """Keep what lagging readers go on seeing, before a write changes `target`."""
    consistency = plane.settings.consistency
    if not consistency.list_lag and not consistency.get_lag_after_write:
        return
    switches = plane.settings.switches
    target.shadow = Shadow(now, views.full_target(target, switches), views.target_summary(target, switches))


def begin_gateway(plane: ControlPlane, gateway: Gateway, phase: str, now: float) -> None:
    """Put a gateway into CREATING, UPDATING or DELETING, and schedule the end of that state."""
    gateway.epoch += 1
    gateway.status = phase
    gateway.reasons = ()
    gateway.due = now + plane.lasting(plane.settings.durations.gateway)
    resume_gateway(plane, gateway)


def resume_gateway(plane: ControlPlane, gateway: Gateway) -> None:
    """Schedule the end of the state that `gateway` is in, if it ends by itself."""
    if gateway.due is not None and gateway.status in {
        resources.CREATING,
        resources.UPDATING,
        resources.DELETING,
    }:
        plane.timeline.schedule(gateway.due, partial(_settle_gateway, plane, gateway, gateway.epoch))


def _settle_gateway(plane: ControlPlane, gateway: Gateway, epoch: int, at: float) -> None:
    if gateway.epoch != epoch:
        return
    if gateway.status == resources.DELETING:
        gateway.region.gateways.pop(gateway.id, None)
    else:
        gateway.status = resources.READY
        if plane.settings.switches.settling_bumps_updated_at:
            gateway.updated = at
