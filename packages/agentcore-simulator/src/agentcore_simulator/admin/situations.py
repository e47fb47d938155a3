"""A whole situation in one YAML document: settings, gateways, targets, scenarios, faults, other writers."""

from __future__ import annotations

from typing import Any

import msgspec

from agentcore_simulator.admin import other_writers, outside_edits, role_edits
from agentcore_simulator.admin.places import Where, find_gateway
from agentcore_simulator.plane import ControlPlane, Role, RoleChange
from agentcore_simulator.scenarios import Fault, Scenario, Writer
from agentcore_simulator.settings import patched


class Situation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The members of the document; each may be left out."""

    settings: dict[str, Any] = {}
    """Merged into the settings in force."""
    gateways: list[dict[str, Any]] = []
    """gatewayId, name, account, region, authorizerType, policyEngine. Existing gateways stay as they are."""
    targets: list[dict[str, Any]] = []
    """READY targets: gatewayId, name, targetConfiguration and the other members of CreateGatewayTarget, also
    targetId, and account and region of the gateway."""
    roles: list[Role] = []
    """Roles; one that is there under this name is replaced."""
    role_changes: list[RoleChange] = []
    """What becomes of roles later on."""
    scenarios: list[Scenario] = []
    faults: list[Fault] = []
    writers: list[Writer] = []


def parse_situation(text: bytes) -> Situation:
    """Read a document.

    Raises:
        ValueError: it is no YAML, or has an unknown or wrong member; the message names it.
    """
    try:
        return msgspec.yaml.decode(text, type=Situation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"The scenario file cannot be used: {error}") from error


def apply_situation(plane: ControlPlane, situation: Situation, now: float) -> None:
    """Bring `plane` into the situation.

    Raises:
        ValueError: a setting, gateway or target that cannot be; what came before it in the document is done.
    """
    plane.settings = patched(plane.settings, situation.settings)
    plane.journal.resize(plane.settings.log_size)
    for role in situation.roles:
        role_edits.make_role(plane, role)
    for change in situation.role_changes:
        role_edits.change_later(plane, change, now)
    for gateway in situation.gateways:
        if not _present(plane, gateway):
            outside_edits.make_gateway(plane, gateway, now)
    for target in situation.targets:
        members = dict(target)
        gateway_id = str(members.pop("gatewayId", ""))
        where = Where(members.pop("account", None), members.pop("region", None))
        try:
            home = find_gateway(plane, gateway_id, where)
        except LookupError as error:
            raise ValueError(f"targets: {error.args[0]}") from error
        if members.get("name") not in home.names:
            outside_edits.make_target(plane, home, members, now)
    plane.scenarios[:0] = situation.scenarios
    plane.faults.faults.extend(situation.faults)
    for writer in situation.writers:
        other_writers.start(plane, writer, now)


def _present(plane: ControlPlane, gateway: dict[str, Any]) -> bool:
    account = gateway.get("account", plane.settings.account)
    region = gateway.get("region", plane.settings.region)
    return gateway.get("gatewayId") in plane.region(account, region).gateways
