"""The state of a simulator as one JSON document, and its way to and from a file."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from agentcore_simulator.admin import other_writers, role_edits
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.plane import (
    Consent,
    ControlPlane,
    Gateway,
    Region,
    Remembered,
    Role,
    RoleChange,
    Target,
    authorization_url,
    resume_gateway,
    resume_target,
    traits_of,
)
from agentcore_simulator.protocol import Session
from agentcore_simulator.scenarios import Fault, Scenario, Writer

_Moment = Annotated[float, msgspec.Meta(ge=0, le=2.52e11)]
"""Epoch seconds that a timestamp can show."""


class _Consent(msgspec.Struct):
    request_uri: str
    user: str
    expires: _Moment


class _Target(msgspec.Struct, omit_defaults=True):
    id: str
    serial: int
    name: str
    config: msgspec.Raw
    created: _Moment
    updated: _Moment
    status: str
    description: str | None = None
    reasons: tuple[str, ...] = ()
    synced: _Moment | None = None
    consent: _Consent | None = None
    consented: bool = False
    probes: int = 0
    due: _Moment | None = None


class _Gateway(msgspec.Struct, omit_defaults=True):
    id: str
    serial: int
    name: str
    created: _Moment
    updated: _Moment
    status: str
    config: dict[str, Any]
    tags: dict[str, str] = {}
    reasons: tuple[str, ...] = ()
    policy_engine: bool = False
    emptied: _Moment | None = None
    due: _Moment | None = None
    made: int = 0
    targets: list[_Target] = []


class _Region(msgspec.Struct):
    account: str
    name: str
    gateways: list[_Gateway]


_OldSession: TypeAlias = tuple[str, str, _Moment]
"""Account, ARN and expiry, as version 0.2 wrote them."""


class _Error(msgspec.Struct):
    code: str
    message: str
    status: int
    extra: dict[str, Any]


class _Token(msgspec.Struct):
    key: tuple[str, ...]
    body: str
    at: _Moment
    answer: str | None = None
    error: _Error | None = None


class _State(msgspec.Struct):
    version: Literal[1]
    serial: int
    rng: tuple[int, tuple[int, ...], float | None]
    regions: list[_Region]
    tokens: list[_Token]
    credentials: dict[str, Session | _OldSession]
    scenarios: list[Scenario]
    faults: list[Fault]
    writers: list[Writer]
    roles: list[Role] = []
    role_changes: list[RoleChange] = []
    governed: list[str] = []
    """Accounts that have no other roles than those."""


def dump_snapshot(plane: ControlPlane) -> bytes:
    """Everything but settings, the request log and what lagging readers see."""
    state = _State(
        version=1,
        serial=plane.serial,
        rng=plane.rng.getstate(),
        regions=[
            _Region(region.account, region.name, [_gateway(gateway) for gateway in region.gateways.values()])
            for region in plane.regions.values()
        ],
        tokens=[_token(key, remembered) for key, remembered in plane.tokens.table.items()],
        credentials=dict(plane.credentials),
        scenarios=plane.scenarios,
        faults=plane.faults.faults,
        writers=plane.writers,
        roles=list(plane.roles),
        role_changes=plane.roles.changes,
        governed=list(plane.roles.accounts),
    )
    return msgspec.json.encode(state)


def load_snapshot(plane: ControlPlane, document: bytes) -> None:
    """Replace the state of `plane` by that of `dump`; what was due since happens at the next request.

    Raises:
        ValueError: `document` is not a state of this version.
    """
    try:
        state = msgspec.json.decode(document, type=_State)
    except msgspec.MsgspecError as error:
        raise ValueError(f"This is not a state of a simulator: {error}") from error
    plane.reset()
    plane.serial = state.serial
    plane.rng.setstate(state.rng)
    plane.credentials = {key: _session(stored) for key, stored in state.credentials.items()}
    plane.roles.accounts.update({account: {} for account in state.governed})
    for role in state.roles:
        plane.roles.put(role)
    for change in state.role_changes:
        role_edits.change_later(plane, change, 0.0)
    plane.scenarios[:] = state.scenarios
    plane.faults.faults[:] = state.faults
    for token in state.tokens:
        plane.tokens.table[token.key] = _remembered(token)
    for stored in state.regions:
        region = plane.region(stored.account, stored.name)
        for gateway in stored.gateways:
            _load_gateway(plane, region, gateway)
    for writer in state.writers:
        other_writers.start(plane, writer, 0.0)


def save_file(path: Path, document: bytes) -> None:
    """Write a file so that whoever reads it, even after a crash, finds the old or the new content.

    Raises:
        OSError: the directory cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _gateway(gateway: Gateway) -> _Gateway:
    return _Gateway(
        id=gateway.id,
        serial=gateway.serial,
        name=gateway.name,
        created=gateway.created,
        updated=gateway.updated,
        status=gateway.status,
        config=gateway.config,
        tags=gateway.tags,
        reasons=gateway.reasons,
        policy_engine=gateway.policy_engine,
        emptied=gateway.emptied,
        due=gateway.due,
        made=gateway.made,
        targets=[_target(target) for target in gateway.targets.values()],
    )


def _target(target: Target) -> _Target:
    consent = target.consent
    return _Target(
        id=target.id,
        serial=target.serial,
        name=target.name,
        config=msgspec.Raw(target.config),
        created=target.created,
        updated=target.updated,
        status=target.status,
        description=target.description,
        reasons=target.reasons,
        synced=target.synced,
        consent=_Consent(consent.request_uri, consent.user, consent.expires) if consent else None,
        consented=target.consented,
        probes=target.probes,
        due=target.due,
    )


def _load_gateway(plane: ControlPlane, region: Region, stored: _Gateway) -> None:
    gateway = Gateway(
        id=stored.id,
        serial=stored.serial,
        region=region,
        name=stored.name,
        created=stored.created,
        updated=stored.updated,
        status=stored.status,
        config=stored.config,
        tags=stored.tags,
        reasons=stored.reasons,
        policy_engine=stored.policy_engine,
        emptied=stored.emptied,
        due=stored.due,
        made=stored.made,
    )
    region.gateways[gateway.id] = gateway
    resume_gateway(plane, gateway)
    for row in stored.targets:
        config = bytes(row.config)
        target = Target(
            id=row.id,
            serial=row.serial,
            gateway=gateway,
            name=row.name,
            description=row.description,
            config=config,
            traits=traits_of(msgspec.json.decode(config), plane.settings.switches.default_grant),
            created=row.created,
            updated=row.updated,
            status=row.status,
            reasons=row.reasons,
            synced=row.synced,
            consented=row.consented,
            probes=row.probes,
            due=row.due,
        )
        if row.consent is not None:
            url = authorization_url(plane, target, row.consent.request_uri)
            target.consent = Consent(row.consent.request_uri, url, row.consent.user, row.consent.expires)
        gateway.add(target)
        resume_target(plane, target)


def _session(stored: Session | _OldSession) -> Session:
    return stored if isinstance(stored, Session) else Session(*stored)


def _token(key: tuple[str, ...], remembered: Remembered) -> _Token:
    body, outcome = remembered.body.hex(), remembered.outcome
    if isinstance(outcome, bytes):
        return _Token(key, body, remembered.at, answer=base64.b64encode(outcome).decode())
    error = _Error(outcome.code, outcome.message, outcome.status, outcome.extra)
    return _Token(key, body, remembered.at, error=error)


def _remembered(token: _Token) -> Remembered:
    if token.error is not None:
        error = token.error
        outcome: bytes | ServiceError = ServiceError(
            error.code, error.message, status=error.status, **error.extra
        )
    else:
        outcome = base64.b64decode(token.answer or "")
    return Remembered(bytes.fromhex(token.body), token.at, outcome)
