"""What the MCPGateways say of one object: where it is to be, and whether it may be there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer, PlacedBy
from mcp_gateway_operator.controller.classes.registry import Registry
from mcp_gateway_operator.targets.known import (
    FREE,
    NOWHERE,
    Frozen,
    Place,
    Record,
    Ruling,
    Settings,
    State,
    believed_placement,
    place_named,
    placement_in,
    placements,
    stored_record,
)
from mcp_gateway_operator.targets.permit import Use, refusal

_KEPT: Final = "What it has at AWS stays as it is."


class ClassSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of MCPGateways.

    Attributes:
        default_ref: the MCPGateway of objects that name no gateway and have no record.
        required: gateways that no MCPGateway covers are not used.
    """

    default_ref: str = ""
    required: bool = False


class Wanted(NamedTuple):
    """Where an object is to be; `frozen` says why that cannot be known or reached, and then it stays."""

    place: Place
    frozen: Frozen | None = None


class Rulings:
    """Asks the MCPGateways about objects.

    Attributes:
        ref_served: the API server keeps spec.gatewayRef of MCPServers.
    """

    def __init__(self, registry: Registry, settings: ClassSettings) -> None:
        self._registry = registry
        self._settings = settings
        self._naming: set[tuple[str, str]] = set()
        self.ref_served = True

    def follow(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take an event of an object: whether any names an MCPGateway decides what blindness costs."""
        if new is not None and (new.spec.gateway_ref is not None or new.status.placed_by is not None):
            self._naming.add(new.key)
        elif old is not None or new is not None:
            gone = old or new
            assert gone is not None
            self._naming.discard(gone.key)

    # -- where ----------------------------------------------------------------------------------------------

    def wanted(self, obj: MCPServer, home: Record | None, settings: Settings) -> Wanted:
        """Return where an object is to be; a record comes before every default."""
        if obj.spec.gateway_ref is not None:
            return self._by_class(obj, obj.spec.class_name, home)
        if obj.spec.gateway:
            return Wanted(place_named(obj))
        if home is not None:
            return Wanted(home.place)
        if self._settings.default_ref:
            return self._by_class(obj, self._settings.default_ref, None)
        return Wanted(Place(settings.default_gateway))

    def _by_class(self, obj: MCPServer, name: str, home: Record | None) -> Wanted:
        led = next(((place, placed) for place, placed in placements(obj) if placed.class_ == name), None)
        stay = NOWHERE if home is None else home.place if led is None else led[0]
        found = self._registry.get(name)
        if found is None:
            why = self._registry.blind() or f"MCPGateway {name} does not exist."
            return Wanted(stay, _frozen(f"{why} {_KEPT}"))
        verdict = self._registry.verdict(found)
        if led is not None and led[1].gateway_arn != found.spec.gateway_arn:
            message = (
                f"The MCPServer was placed by an MCPGateway {name} of gateway {led[1].gateway_arn}, and the "
                f"one of this name is for another gateway now. {_KEPT} To move it, name an MCPGateway of "
                "another name."
            )
            return Wanted(stay, Frozen(reason=Reason.WRONG_ACCOUNT_OR_REGION, message=message))
        if not verdict.accepted or found.arn is None:
            return Wanted(stay, _not_accepted(found, verdict.message))
        if home is not None and home.gateway_arn == found.spec.gateway_arn:
            # However the record calls it.
            return Wanted(home.place)
        return Wanted(self._registry.place_of(found.spec.gateway_arn))

    def may_look(self, obj: MCPServer, place: Place) -> bool:
        """Return whether an annotation is a reason to look in a place: elsewhere anybody's word is none."""
        if not any(place.account_and_region) or self._registry.governor(place.gateway_id) is not None:
            return True
        placed = believed_placement(obj)
        return placed is not None and placed.gateway_arn == place.gateway_id

    def place_of(self, gateway_arn: str) -> Place:
        """Return where a gateway is."""
        return self._registry.place_of(gateway_arn)

    def as_called(self, place: Place, others: Iterable[Place]) -> Place:
        """Return a place as it is called among others, where it is one of them."""
        return next((each for each in others if self._registry.same(each, place)), place)

    # -- whether --------------------------------------------------------------------------------------------

    def ruling(
        self, obj: MCPServer, place: Place, settings: Settings, *, held: bool, aside: bool = False
    ) -> Ruling:
        """Return what holds for an object in a place.

        Args:
            obj: the object.
            place: where it has, or may have, a target.
            settings: the operator's.
            held: its record is there.
            aside: it is one of the other places of a move, or of those where something of it is looked for.
        """
        if self.idle and not any(place.account_and_region):
            return FREE
        governor = self._registry.governor(place.gateway_id)
        frozen = self._blind() or self._pruned(obj, held=held)
        if governor is None:
            named = placement_in(obj, place) is not None
            if not aside:
                named = named or believed_placement(obj) is not None or obj.spec.gateway_ref is not None
            return Ruling(
                frozen=frozen or self._ungoverned(obj, place),
                policies_known=not named,
                unread=self._registry.blind() if self._unread else "",
            )
        spec = governor.spec
        defaults = spec.defaults
        return Ruling(
            frozen=frozen or self._refused(obj, governor, settings, held=held),
            placed_by=self._placed_by(governor),
            gateway_url=governor.status.gateway_url,
            capacity=spec.capacity.targets if spec.capacity is not None else None,
            deletion_policy=defaults.deletion_policy if defaults is not None else "",
            drift_policy=defaults.drift_policy if defaults is not None else "",
            policies_known=not governor.problems and self._is_of(governor, obj, place),
        )

    def still_permits(self, state: State) -> bool:
        """Whether what was decided on a state may begin yet. Asked in threads, too."""
        obj, record = state.obj, state.record
        home = record if record is not None and not state.aside else stored_record(obj)
        return self.now(state).frozen is None and self.wanted(obj, home, state.settings).frozen is None

    def now(self, state: State) -> Ruling:
        """Return what holds now for the object of a state in its place. Asked in threads, too."""
        record, place = state.record, state.place
        held = record is not None and bool(record.target_id) and record.place == place
        return self.ruling(state.obj, place, state.settings, held=held, aside=state.aside)

    def _is_of(self, governor: MCPGateway, obj: MCPServer, place: Place) -> bool:
        """Whether it is certain that an MCPGateway is of the gateway in a place, not of one of equal id."""
        known = self._registry.identity is not None or any(place.account_and_region)
        return known or obj.status.gateway_arn == governor.spec.gateway_arn

    def _placed_by(self, governor: MCPGateway) -> PlacedBy | None:
        """Return what status says of it; nothing while it may be of another account's gateway of this id."""
        if self._registry.identity is None:
            return None
        arn = governor.spec.gateway_arn
        return PlacedBy(class_=governor.name, uid=governor.metadata.uid, gateway_arn=arn)

    def bars(self, obj: MCPServer, place: Place) -> bool:
        """Whether an object that is being deleted may not even be looked for in a place of no proof.

        Nor where nobody has been able to read any MCPGateway: that waits.
        """
        elsewhere = any(place.account_and_region)
        nobodys = elsewhere and self._registry.governor(place.gateway_id) is None
        return self._unread or nobodys or self.refuses(obj, place)

    def refuses(self, obj: MCPServer, place: Place) -> bool:
        """Whether an object is not permitted in a place of no proof, by what is known, however old that is.

        Deletion goes on while nobody can see. And an MCPGateway that takes no new target may well have one.
        Elsewhere nothing is sent where there is none, and that refuses nothing: the next may permit it.
        """
        governor = None if self.idle else self._registry.governor(place.gateway_id)
        if governor is None or governor.arn is None:
            return self.uncovered(place)
        if self._registry.verdict(governor).accepted is False or obj.left_out is not None:
            return True
        return refusal(governor.spec, self._use(obj, governor.arn)) is not None

    def uncovered(self, place: Place) -> bool:
        """Whether no MCPGateway says anything of a gateway of ours, and nothing is done without one."""
        ours = self._settings.required and not any(place.account_and_region)
        return ours and self._registry.governor(place.gateway_id) is None

    @property
    def _unread(self) -> bool:
        """Whether there may be MCPGateways, of which nobody has been able to read any."""
        return not self.idle and bool(self._registry.blind()) and not self._registry.stale()

    @property
    def default_class(self) -> str:
        """The MCPGateway of objects that name no gateway and have no record, "" where there is none."""
        return self._settings.default_ref

    @property
    def known(self) -> bool:
        """Whether MCPGateways and labels of namespaces are as known here, or nothing speaks of them."""
        return self.idle or (self._registry.namespaces.synced.is_set() and not self._registry.blind())

    @property
    def idle(self) -> bool:
        """Whether nothing speaks of MCPGateways: then all is as if there were no such kind.

        Nor may one have come to be since anybody could look.
        """
        if self._naming or self._settings.required or self._settings.default_ref:
            return False
        registry = self._registry
        return not registry.served or not (len(registry.classes) or registry.stale())

    def _blind(self) -> Frozen | None:
        why = self._registry.blind()
        return _frozen(f"{why} {_KEPT}") if why else None

    def _pruned(self, obj: MCPServer, *, held: bool) -> Frozen | None:
        """A reference that the API server drops must not end on the default gateway."""
        spec = obj.spec
        if self.ref_served or held or spec.gateway or spec.gateway_ref or not self._registry.all():
            return None
        return _frozen(
            "The installed CustomResourceDefinition drops spec.gatewayRef, so nobody can say whether this "
            "MCPServer has one: update it (`mcp-gateway-operator crd`), or set spec.gatewayId."
        )

    def _ungoverned(self, obj: MCPServer, place: Place) -> Frozen | None:
        if place == NOWHERE:
            return None
        if self._settings.required:
            return _frozen(
                f"No MCPGateway covers gateway {place.gateway_id}, and the operator works with "
                f"--require-gateway-ref. {_KEPT} Name an MCPGateway in spec.gatewayRef."
            )
        placed = believed_placement(obj)
        if any(place.account_and_region):
            if placement_in(obj, place) is None and self._registry.identity is not None:
                return self._made_elsewhere(place, self._registry.identity)
            return _frozen(
                f"No MCPGateway of gateway {place.gateway_id} says under which identity the operator works "
                f"there. {_KEPT} Make one with this ARN."
            )
        if placed is None or obj.spec.gateway:
            return None
        return _frozen(f"MCPGateway {placed.class_}, by which the target was made, is gone. {_KEPT}")

    def _made_elsewhere(self, place: Place, own: tuple[str, str]) -> Frozen:
        message = (
            f"The target was made on gateway {place.gateway_id}, and the operator works in account {own[0]}, "
            f"Region {own[1]}. {_KEPT} Start it with that account's credentials and Region, make an "
            "MCPGateway with this ARN, or set deletionPolicy to Retain."
        )
        return Frozen(reason=Reason.WRONG_ACCOUNT_OR_REGION, message=message)

    def _refused(
        self, obj: MCPServer, governor: MCPGateway, settings: Settings, *, held: bool
    ) -> Frozen | None:
        verdict = self._registry.verdict(governor)
        if not verdict.accepted or governor.arn is None:
            return _not_accepted(governor, verdict.message)
        if obj.left_out is not None:
            return _frozen(
                f"MCPGateway {governor.name} governs the gateway, and this spec is too large to be kept in "
                f"memory, so it cannot be judged. {_KEPT} Make it smaller: an inline list of tools above all."
            )
        if (why := refusal(governor.spec, self._use(obj, governor.arn))) is not None:
            message = why.words(governor.name, kept=_KEPT)
            return Frozen(reason=Reason.NOT_PERMITTED, message=message, unproven=True)
        if held:
            return None
        if governor.metadata.deletion_timestamp:
            return _frozen(f"MCPGateway {governor.name} is being deleted and takes no new target.")
        if settings.status_fields is not None and "placedBy" not in settings.status_fields:
            return _frozen(
                "The installed CustomResourceDefinition cannot hold status.placedBy, so no target is made by "
                "an MCPGateway: update it (`mcp-gateway-operator crd`)."
            )
        return None

    def _use(self, obj: MCPServer, gateway: GatewayArn) -> Use:
        namespace = obj.metadata.namespace
        labels = self._registry.labels(namespace)
        return Use(namespace=namespace, labels=labels, spec=obj.spec, gateway=gateway)


def _frozen(message: str) -> Frozen:
    return Frozen(reason=Reason.NOT_PERMITTED, message=message)


def _not_accepted(of: MCPGateway, message: str) -> Frozen:
    return _frozen(f"MCPGateway {of.name} is not accepted: {message} {_KEPT}")
