"""Which gateway or target an admin request means: ids may be the same in two accounts or Regions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from agentcore_simulator.plane import ControlPlane, Gateway, Region, Target

_Found = TypeVar("_Found", Gateway, Target)


class Where(NamedTuple):
    """What a request says about the place; None is anywhere."""

    account: str | None = None
    region: str | None = None
    gateway: str | None = None
    """Gateway id, for targets."""

    def has(self, region: Region) -> bool:
        """Whether the place may be in this account and Region."""
        return self.account in {None, region.account} and self.region in {None, region.name}


def find_gateway(plane: ControlPlane, gateway_id: str, where: Where) -> Gateway:
    """The gateway of that id.

    Raises:
        LookupError: there is none.
        ValueError: there are several, and not exactly one in the account and Region of the settings.
    """
    found = [
        region.gateways[gateway_id]
        for region in plane.regions.values()
        if where.has(region) and gateway_id in region.gateways
    ]
    return _only(plane, f"gateway {gateway_id}", [(gateway, gateway) for gateway in found])


def find_target(plane: ControlPlane, target_id: str, where: Where) -> Target:
    """The target of that id.

    Raises:
        LookupError, ValueError: as for gateways.
    """
    found = [
        (gateway.targets[target_id], gateway)
        for region in plane.regions.values()
        if where.has(region)
        for gateway in region.gateways.values()
        if target_id in gateway.targets and where.gateway in {None, gateway.id}
    ]
    return _only(plane, f"target {target_id}", found)


def _only(plane: ControlPlane, what: str, found: list[tuple[_Found, Gateway]]) -> _Found:
    settings = plane.settings
    home = [
        thing
        for thing, gateway in found
        if (gateway.region.account, gateway.region.name) == (settings.account, settings.region)
    ]
    choice = home if len(found) > 1 else [thing for thing, _ in found]
    if len(choice) == 1:
        return choice[0]
    if not found:
        raise LookupError(f"There is no {what}.")
    places = _listed(f"{one.region.account}/{one.region.name}/{one.id}" for _, one in found)
    raise ValueError(f"There is a {what} in {places}: say which (account, region, for targets gateway).")


def _listed(places: Iterable[str]) -> str:
    return ", ".join(sorted(places))
