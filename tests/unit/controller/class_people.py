"""What tenants, the platform team, AWS and other programs do in a random story."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError
from tests.support.accounts import OWN, SPOKE, role
from tests.support.classes import GATEWAY, OTHER_GATEWAY, arn
from tests.support.version_0_2 import passed_through, written
from tests.support.virtual_time import wall_clock
from tests.unit.controller.class_oracle import LABEL
from tests.unit.controller.class_scene import (
    ALLOWS,
    CLASSES,
    CLOSED,
    EVERY,
    EVIL,
    GOOD,
    OPEN,
    PLAIN,
    SERVERS,
    SPARE,
    VAULT,
    Scene,
    entry,
)


class People(Scene):
    """A scene in which something happens; each action is a method without arguments."""

    _changes: list[Callable[[], Any]]
    """What may happen while something else is on its way."""

    # -- tenants --------------------------------------------------------------------------------------

    def _pick(self) -> str:
        there = [name for name, namespace in SERVERS.items() if self.world.exists(name, namespace=namespace)]
        if not there:
            raise ApiError(404, "NotFound", "nothing there")
        return self.rng.choice(there)

    def _way(self) -> dict[str, Any]:
        return self.rng.choice(
            (
                *({"gatewayRef": {"name": name}} for name in CLASSES),
                *({"gatewayRef": {"name": name}} for name in CLASSES),
                {"gatewayRef": {"name": "vault"}},
                {"gatewayRef": {"name": "strongroom"}},
                {"gatewayRef": {"name": "second"}},
                {"gatewayId": GATEWAY},
                {"gatewayId": OTHER_GATEWAY},
                {"gatewayId": VAULT},
                {},
            )
        )

    async def create(self) -> None:
        """Create an object that is not there."""
        absent = [n for n, namespace in SERVERS.items() if not self.world.exists(n, namespace=namespace)]
        if absent:
            name = self.rng.choice(absent)
            spec = {
                "endpoint": self.rng.choice((GOOD, GOOD, GOOD, EVIL)),
                "deletionPolicy": self.rng.choice((None, None, "Delete", "Retain")),
                "managementPolicy": self.rng.choice((None,) * 6 + ("Observe",)),
                **self._way(),
            }
            self.say(f"create {name} {spec}")
            await self.world.create(name, namespace=SERVERS[name], **{**PLAIN, **spec})

    async def _edit(self, name: str, **patch: Any) -> None:
        self.say(f"edit {name} {patch}")
        await self.world.edit(name, namespace=SERVERS[name], **patch)

    async def aim(self) -> None:
        """Name another gateway, by reference, by id, or none."""
        await self._edit(self._pick(), spec={"gatewayRef": None, "gatewayId": None, **self._way()})

    async def interrupted(self) -> None:
        """Begin something where it is permitted, and take the permission away at some step of it."""
        name = self.rng.choice([*SERVERS])
        namespace, to = SERVERS[name], self.rng.choice([*CLASSES])
        if not self.platform.exists(to):
            await self._make(to, allow=OPEN)
        allow = self.rng.choice((OPEN, [entry(**{LABEL: namespace})]))
        await self._say_of(to, spec={"allow": allow, "deny": None, "capacity": None})
        await self.platform.label(namespace, **{LABEL: namespace})
        account, gateway = CLASSES[to]
        ref: dict[str, Any] = {"gatewayRef": {"name": to}, "gatewayId": None}
        if account == OWN and self.rng.random() < 0.3:
            ref = {"gatewayRef": None, "gatewayId": gateway}
        if not self.world.exists(name, namespace=namespace):
            spec = {"endpoint": GOOD, **{key: value for key, value in ref.items() if value}}
            self.say(f"create {name} {spec}")
            await self.world.create(name, namespace=namespace, **{**PLAIN, **spec})
        else:
            await self._edit(name, spec={**ref, "endpoint": GOOD})
        if self.rng.random() < 0.6:
            await self.world.pass_time(self.rng.choice((20.0, 30.0)))
            with suppress(ApiError):
                await self._begin(name)
        for _ in range(self.rng.randrange(1, 4)):
            await self.world.pass_time(self.rng.random() * self.rng.choice((0.1, 1.0, 4.0, 12.0)))
            with suppress(ApiError):
                match self.rng.randrange(4):
                    case 0:
                        await self.rng.choice(self._changes)()
                    case 1:
                        await self._begin(name)
                    case _:
                        await self._revoke(to, namespace)

    async def _begin(self, name: str) -> None:
        """Give an object that rests something to do."""
        namespace = SERVERS[name]
        match self.rng.choice(("edit", "edit", "move", "delete", "tools", "drift")):
            case "edit":
                await self._edit(name, spec={"description": f"words {self.rng.randrange(99)}"})
            case "move":
                await self._edit(
                    name, spec={"gatewayRef": {"name": self.rng.choice([*CLASSES])}, "gatewayId": None}
                )
            case "delete":
                self.say(f"delete {name}")
                await self.world.delete(name, namespace=namespace)
            case "tools":
                note = {names.SYNC_ANNOTATION: str(self.rng.randrange(99))}
                await self._edit(name, metadata={"annotations": note})
            case "drift":
                status = (await self.world.get(name, namespace=namespace)).status
                account = status.gateway_arn.split(":")[4] if status.gateway_arn else OWN
                config = {"mcp": {"mcpServer": {"endpoint": "https://drifted.example.com/"}}}
                held = [(each["gatewayArn"], each["targetId"]) for each in self.targets()]
                if (status.gateway_arn, status.target_id) in held:
                    self.say(f"{name} is changed outside")
                    gateway = status.gateway_arn.rpartition("/")[2]
                    aws = self.cloud.aws(account)
                    aws.edit_target(status.target_id, gateway=gateway, targetConfiguration=config)

    async def _revoke(self, to: str, namespace: str) -> None:
        """Take a permission away, by one of the ways."""
        match self.rng.choice(("allow", "allow", "label", "label", "deny", "again", "remove", "end", "role")):
            case "allow":
                await self._say_of(to, spec={"allow": self.rng.choice(([], [entry(tier="gold")]))})
            case "label":
                self.say(f"label {namespace} gone")
                await self.platform.label(namespace, **{LABEL: None})
            case "deny":
                await self._say_of(to, spec={"deny": ["all"]})
            case "again":
                await self.platform.force(to)
                await self._make(to, self.rng.choice((to, to, *CLASSES, *SPARE, *SPARE)), allow=OPEN)
            case "remove":
                self.say(f"MCPGateway {to} is removed")
                await self.platform.force(to)
            case "end":
                self.say(f"MCPGateway {to} is deleted")
                await self.platform.delete(to)
            case "role":
                await self._say_of(to, spec={"aws": {"roleArn": role(CLASSES[to][0], "another")}})

    async def edit(self) -> None:
        """Change another field."""
        spec = self.rng.choice(
            (
                {"endpoint": GOOD},
                {"endpoint": EVIL},
                {"description": f"words {self.rng.randrange(9)}"},
                {"managementPolicy": self.rng.choice(("Observe", None))},
                {"deletionPolicy": self.rng.choice(("Delete", "Retain", None))},
            )
        )
        await self._edit(self._pick(), spec=spec)

    async def delete(self) -> None:
        """Delete an object; one that lost its finalizer would leave its target behind."""
        name = self._pick()
        self.say(f"delete {name}")
        await self.world.delete(name, namespace=SERVERS[name])

    async def note(self) -> None:
        """Write an annotation that leads somewhere, or asks for something."""
        where = self.rng.choice([arn(gateway, account=account) for account, gateway in EVERY.values()])
        note = self.rng.choice(
            (
                {names.GATEWAY_ANNOTATION: where},
                {names.GATEWAY_ANNOTATION: self.rng.choice((GATEWAY, OTHER_GATEWAY, VAULT))},
                {names.SYNC_ANNOTATION: str(self.rng.randrange(99))},
                {names.RECONCILE_ANNOTATION: str(self.rng.randrange(99))},
            )
        )
        if names.GATEWAY_ANNOTATION in note:
            self.doubtful = True
        await self._edit(self._pick(), metadata={"annotations": note})

    async def pause(self) -> None:
        """Pause an object, or let it go on."""
        value = self.rng.choice(("true", None, None))
        await self._edit(self._pick(), metadata={"annotations": {names.PAUSED_ANNOTATION: value}})

    # -- the platform team ----------------------------------------------------------------------------

    async def _make(self, name: str, at: str = "", *, allow: Any = None) -> None:
        account, gateway = EVERY[at or name]
        given: dict[str, Any] = {"aws": {"roleArn": role(account)}} if account != OWN else {}
        closed = (at or name) in CLOSED
        allow = [entry(**{LABEL: "team-z"})] if closed else allow or self.rng.choice(ALLOWS[1:])
        self.say(f"MCPGateway {name} at {account}/{gateway}: {allow}")
        await self.platform.make(name, gateway_arn=arn(gateway, account=account), allow=allow, **given)

    def _class(self) -> str:
        there = [name for name in (*CLASSES, "second") if self.platform.exists(name)]
        if not there:
            raise ApiError(404, "NotFound", "nothing there")
        return self.rng.choice(there)

    async def _say_of(self, name: str, **patch: Any) -> None:
        self.say(f"MCPGateway {name}: {patch}")
        await self.platform.edit(name, **patch)

    async def allow(self) -> None:
        """Permit something else."""
        await self._say_of(self._class(), spec={"allow": self.rng.choice(ALLOWS)})

    async def label(self) -> None:
        """Label a namespace anew."""
        namespace = self.rng.choice(("team-a", "team-b"))
        labels = self.rng.choice(
            ({LABEL: None}, {LABEL: namespace}, {LABEL: namespace}, {"tier": "gold"}, {"tier": None})
        )
        self.say(f"label {namespace} {labels}")
        await self.platform.label(namespace, **labels)

    async def spec(self) -> None:
        """Change what else an MCPGateway says."""
        name = self._class()
        account = CLASSES.get(name, CLASSES["home"])[0]
        spec = self.rng.choice(
            (
                {"deny": ["all"]},
                {"deny": None},
                {"defaults": {"deletionPolicy": "Retain"}},
                {"defaults": {"deletionPolicy": "Delete"}},
                {"defaults": None},
                {"capacity": {"targets": self.rng.randrange(3)}},
                {"capacity": None},
                {"aws": {"roleArn": role(account)}},
                {"aws": {"roleArn": role(account, "another")}},
                {"aws": {"roleArn": role("333333333333")}},
                {"aws": None},
            )
        )
        await self._say_of(name, spec=spec)

    async def remove(self) -> None:
        """Remove an MCPGateway by force."""
        name = self._class()
        self.say(f"MCPGateway {name} is removed")
        await self.platform.force(name)

    async def end(self) -> None:
        """Delete an MCPGateway as one should."""
        name = self._class()
        self.say(f"MCPGateway {name} is deleted")
        await self.platform.delete(name)

    async def make(self) -> None:
        """Make an MCPGateway, the same as before or of another gateway; perhaps in place of itself."""
        name = self.rng.choice([*CLASSES])
        if self.platform.exists(name):
            if self.rng.random() < 0.5:
                return
            await self.platform.force(name)
        await self._make(name, self.rng.choice((name, name, *CLASSES, *SPARE)))

    async def second(self) -> None:
        """Make a second MCPGateway of a gateway that has one, perhaps."""
        if not self.platform.exists("second"):
            await self._make("second", self.rng.choice([*CLASSES]), allow=OPEN)

    async def namespace_again(self) -> None:
        """Delete a namespace with all that is in it, and make it again as soon as it is gone."""
        namespace = self.rng.choice(("team-a", "team-b"))
        store = self.world.api.store
        self.say(f"namespace {namespace} is deleted")
        store.terminate_namespace(namespace)
        for (_, name), _ in store.select(MCPSERVERS, namespace):
            await self.world.delete(name, namespace=namespace)
        for _ in range(60):
            if not store.select(MCPSERVERS, namespace):
                store.delete(NAMESPACES, None, namespace)
                await self.world.pass_time(self.rng.choice((0.0, 0.1, 5.0)))
                break
            await self.world.pass_time(5.0)
        else:
            body = msgspec.json.decode(store.get(NAMESPACES, None, namespace))
            body["metadata"].pop("deletionTimestamp")
            store.objects[NAMESPACES].pop(("", namespace))
            store._commit("ADDED", NAMESPACES, ("", namespace), body)
            return
        labels = self.rng.choice(({LABEL: namespace}, {LABEL: namespace}, {}, {"tier": "gold"}))
        self.say(f"namespace {namespace} is made again {labels}")
        store.create(NAMESPACES, None, {"metadata": {"name": namespace, "labels": labels}})
        for name in [each for each, where in SERVERS.items() if where == namespace]:
            await self.world.create(name, namespace=namespace, **{**PLAIN, "endpoint": GOOD, **self._way()})

    # -- AWS ------------------------------------------------------------------------------------------

    async def fault(self) -> None:
        """Let the next calls of one kind fail, or take effect without an answer."""
        kinds: tuple[dict[str, Any], ...] = (
            {"kind": "close"},
            {"kind": "hang"},
            {"code": "ThrottlingException", "commit": False},
            {"code": "InternalServerException"},
        )
        fault = {
            "operation": f"{self.rng.choice(('Create', 'Create', 'Update', 'Delete', 'Get'))}GatewayTarget",
            "count": 1,
            "commit": self.rng.random() < 0.5,
            **self.rng.choice(kinds),
        }
        self.say(f"fault {fault}")
        self.cloud.aws(self.rng.choice((OWN, SPOKE))).add_fault(**fault)

    async def deny(self) -> None:
        """Deny a role, let it act elsewhere, or undo both; or let its Region hang."""
        denied = self.rng.choice((role(), "", ""))
        self.say(f"denied: {denied or 'nothing'}")
        self.cloud.denied.clear()
        if denied:
            self.cloud.denied.add(denied)

    # -- what is lost, forged, or written by others -----------------------------------------------------

    async def lose_status(self) -> None:
        """Wipe a status, as a restore without it does."""
        name = self._pick()
        self.say(f"status of {name} lost")
        self.doubtful = True
        await self.world.set_status({}, name, namespace=SERVERS[name])

    async def steal(self) -> None:
        """Write a status that names what is another's, in part or in whole; closed gateways are its aim."""
        name = self._pick()
        namespace = SERVERS[name]
        body = msgspec.json.decode(self.world.api.store.get(MCPSERVERS, namespace, name))
        theirs = self.rng.choice([*self.targets(), {"gatewayArn": arn(VAULT), "targetId": "TREASURE01"}])
        held = theirs["gatewayArn"]
        account, gateway = held.split(":")[4], held.rpartition("/")[2]
        at = gateway if account == OWN else held
        by = self.rng.choice([*CLASSES, *CLOSED, "second"])
        uid = self.rng.choice(("another", "another", body["metadata"]["uid"]))
        parts = {
            "record": {"gatewayId": at, "gatewayArn": held, "targetId": theirs["targetId"]},
            "placed": {"placedBy": {"class": by, "uid": "x", "gatewayArn": held}},
            "moves": {"moves": [{"gatewayId": at, "targetId": theirs["targetId"]}]},
        }
        chosen = self.rng.sample([*parts], self.rng.randrange(1, 4))
        forged = dict(body.get("status", {})) if self.rng.random() < 0.5 else {}
        for part in chosen:
            forged |= parts[part]
        forged["recordedFor"] = uid
        self.doubtful = True
        if uid != "another":
            self.referee.closed.clear()
            self.thieves.add(name)
        self.say(f"status of {name} forged: {forged}")
        await self.world.set_status(forged, name, namespace=namespace)

    async def old_version(self) -> None:
        """Let 0.2 work for a moment, with an edit by the platform team meanwhile."""
        self.say("0.2 works")
        for stack in reversed(self._stacks):
            await stack.aclose()
        self._stacks.clear()
        self._flags.clear()
        wall = wall_clock()().strftime("%Y-%m-%dT%H:%M:%SZ")
        rows = {each["targetId"]: each for each in self.cloud.aws(OWN).targets(GATEWAY)}
        for (namespace, name), raw in self.world.api.store.select(MCPSERVERS, None):
            body = msgspec.json.decode(raw)
            if not body.get("status"):
                continue
            row = rows.get(body["status"].get("targetId"))
            if row is not None and row["status"] == "READY" and body["status"].get("gatewayId") == GATEWAY:
                status = written(body, updated_at=str(row["updatedAt"]), wall=wall)
            else:
                status = passed_through(body)
            await self.world.set_status(status, name, namespace=namespace)
        with suppress(ApiError):
            await self.rng.choice((self.allow, self.label, self.make, self.spec, self.aim))()
        await self._start()
