"""What news of MCPGateways, namespaces, MCPServers and outages means for these: who is looked at again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import Registry
from mcp_gateway_operator.controller.gather import Circles, Memories, ObjectIndex
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import REFUSED
from mcp_gateway_operator.targets.known import (
    NOWHERE,
    ErrorKind,
    Place,
    believed_placement,
    placements,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import reason_of, why_refused, why_unlisted

AT_ONCE: Final = 50
TOLD_A_SECOND: Final = 50.0
"""How many objects are woken at once, and how many a second after these, where an MCPGateway is edited."""
WAKE_BURST: Final = 50.0
WAKE_RATE: Final = 100.0
"""The same where Lists of a gateway begin to fail, or do so no more."""

ADVICE: Final = (
    "What MCPServers say of their targets there is in doubt, and not known any more once this has lasted "
    "long; nothing is lost, and all of it is put right when the lists succeed again."
)


class ClassNews:
    """Wakes objects; `default_of` returns the gateway of one that names none by its id."""

    def __init__(
        self,
        ports: Ports,
        index: ObjectIndex,
        registry: Registry,
        circles: Circles,
        *,
        default_of: Callable[[MCPServer], str],
    ) -> None:
        self._queue = ports.queue
        self._objects = ports.informer
        self._index = index
        self._registry = registry
        self._circles = circles
        self._default_of = default_of

    def on_class(self, old: MCPGateway | None, new: MCPGateway | None) -> None:
        """Take a change of what an MCPGateway says: wake the objects that it is about."""
        classes = [each for each in (old, new) if each is not None]
        gateways = {each.arn.gateway_id for each in classes if each.arn is not None}
        gateways |= {each.spec.gateway_arn for each in classes}
        names_of = {other.name for each in classes for other in (each, *self._registry.rivals(each))}
        concerned = []
        for obj in self._objects.values():
            named = {obj.spec.class_name, *(placed_by.class_ for _, placed_by in placements(obj))}
            places = {obj.spec.gateway, obj.status.gateway_id, obj.status.gateway_arn}
            places |= {each.gateway_id for each in obj.status.moves}
            if named & names_of or places & gateways or not obj.status.target_id:
                concerned.append(obj)
        self._look_again(concerned)

    def on_namespace(self, namespace: str) -> None:
        """Take a change of a namespace's labels."""
        if self._registry.all():
            self._look_again(obj for obj in self._objects.values() if obj.metadata.namespace == namespace)

    def on_classes(self) -> None:
        """Look at every object again: what all MCPGateways mean has changed."""
        self._look_again(self._objects.values())

    def _look_again(self, objects: Iterable[MCPServer]) -> None:
        """Wake objects a few at a time, for each may write its status; first those that wait for something.

        A later edit begins anew: an object that still has its turn to come keeps it.
        """
        self._circles.forget()
        for number, obj in enumerate(sorted(objects, key=_has_what_it_wants)):
            after = max(0.0, (number - AT_ONCE) / TOLD_A_SECOND)
            self._queue.add(self._index.shared_key(obj.key), urgent=False, after=after)
            for key, later in self._index.rivals.follow(obj, obj, default_of=self._default_of).items():
                self._queue.add(key, urgent=False, after=later)

    def in_use(self) -> Counter[str]:
        """Return on how many targets each gateway is in use: recorded ones, and those of moves.

        By the gateway's ARN where status has it, else as `Place` calls it.
        """
        used = Counter[str]()
        for obj in self._objects.values():
            record = stored_record(obj)
            everywhere = (each for each in (record, *stored_moves(obj)) if each is not None)
            used.update(each.gateway_arn or each.place.gateway_id for each in everywhere)
            if record is None and (placed := believed_placement(obj)) is not None:
                # A Create may be on its way.
                used[placed.gateway_arn] += 1
        return used


class OutageNews:
    """Tells what AWS does not answer, once for all objects that it concerns, and wakes these."""

    def __init__(self, ports: Ports, index: ObjectIndex, memories: Memories) -> None:
        self._ports = ports
        self._index = index
        self._memories = memories
        self._woken = -math.inf

    def on_gateway(self, gateway_id: str) -> None:
        """Take that Lists of a gateway began to fail, or succeed again, or that an outage of it turns."""
        table = self._ports.observers.table(gateway_id)
        outage = table.view.outage if table is not None else None
        if outage is None:
            self._ports.causes.end(gateway_id)
        else:
            place = Place(gateway_id)
            why = why_unlisted(place, outage.error).rstrip(".")
            self._ports.causes.begin(reason_of(outage.error, place), gateway_id, f"{why}. {ADVICE}")
        self._wake_users(gateway_id)

    def on_credentials(self) -> None:
        """Take that AWS began to refuse the credentials of every call, or accepts them again."""
        error = self._ports.schedulers.own.refused_credentials
        if error is not None:
            self._ports.causes.begin(reason_of(error), "every call to AWS", why_refused(error))
            self._ports.observers.own.refused(error)
            return
        self._ports.causes.end("every call to AWS")
        self._ports.observers.retry(ErrorKind.CREDENTIALS)
        for obj in self._ports.informer.values():
            ready = obj.status.condition(ConditionType.READY)
            if ready is not None and ready.reason in REFUSED:
                self._ports.queue.add(self._index.shared_key(obj.key), urgent=False)

    def _wake_users(self, gateway_id: str) -> None:
        """Let all objects of a gateway look again: those that wait at once, the others a few at a time.

        Each of them may write its status, and an outage may concern all gateways at once.
        """
        queue, now = self._ports.queue, self._ports.clock()
        for key in sorted(self._memories.users(gateway_id)):
            obj, entry = self._ports.informer.get(key), self._memories.get(key)
            if obj is not None and not _has_what_it_wants(obj):
                queue.add(key, urgent=entry is not None and entry.busy_on != NOWHERE)
                continue
            self._woken = max(self._woken, now - WAKE_BURST / WAKE_RATE) + 1 / WAKE_RATE
            queue.add(key, urgent=False, after=max(0.0, self._woken - now))


def differs(old: MCPServer, new: MCPServer) -> bool:
    """Whether an event changes what a pass would decide; labels do not.

    A spec differs without a new generation after the CRD has changed: fields come and go with their schema.
    """
    before, after = old.metadata, new.metadata
    return (
        before.uid != after.uid
        or before.generation != after.generation
        or (old.spec, old.left_out) != (new.spec, new.left_out)
        or before.deletion_timestamp != after.deletion_timestamp
        or before.finalizers != after.finalizers
        or before.annotations != after.annotations
    )


def _has_what_it_wants(obj: MCPServer) -> bool:
    """Whether an object has what it asks for."""
    return obj.was_ready or obj.in_doubt
