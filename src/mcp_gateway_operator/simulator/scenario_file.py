"""A whole situation in one YAML document: settings, gateways, targets, scenarios, faults, other writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from . import admin_edits, writers
from .faults import Fault
from .scenarios import Scenario
from .settings import patched
from .writers import Writer

if TYPE_CHECKING:
    from .world import World


class Situation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The members of the document; each may be left out."""

    settings: dict[str, Any] = {}
    """Merged into the settings in force."""
    gateways: list[dict[str, Any]] = []
    """gatewayId, name, account, region, authorizerType, policyEngine. Existing gateways stay as they are."""
    targets: list[dict[str, Any]] = []
    """READY targets: gatewayId, name, targetConfiguration and the other members of CreateGatewayTarget."""
    scenarios: list[Scenario] = []
    faults: list[Fault] = []
    writers: list[Writer] = []


def parse(text: bytes) -> Situation:
    """Read a document.

    Raises:
        ValueError: it is no YAML, or has an unknown or wrong member; the message names it.
    """
    try:
        return msgspec.yaml.decode(text, type=Situation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"The scenario file cannot be used: {error}") from error


def apply(world: World, situation: Situation, now: float) -> None:
    """Bring `world` into the situation.

    Raises:
        ValueError: a setting, gateway or target that cannot be; what came before it in the document is done.
    """
    world.settings = patched(world.settings, situation.settings)
    world.journal.resize(world.settings.log_size)
    for gateway in situation.gateways:
        if not _present(world, gateway):
            admin_edits.make_gateway(world, gateway, now)
    for target in situation.targets:
        members = dict(target)
        gateway_id = str(members.pop("gatewayId", ""))
        try:
            home = admin_edits.find_gateway(world, gateway_id)
        except LookupError as error:
            raise ValueError(f"targets: {error.args[0]}") from error
        if members.get("name") not in home.names:
            admin_edits.make_target(world, gateway_id, members, now)
    world.scenarios[:0] = situation.scenarios
    world.faults.faults.extend(situation.faults)
    for writer in situation.writers:
        writers.start(world, writer, now)


def _present(world: World, gateway: dict[str, Any]) -> bool:
    account = gateway.get("account", world.settings.account)
    region = gateway.get("region", world.settings.region)
    return gateway.get("gatewayId") in world.region(account, region).gateways
