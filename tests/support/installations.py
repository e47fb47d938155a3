"""Installations of an operator that meet at the guard, in virtual time: Leases only, no work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from mcp_gateway_operator.runtime.guard import Guard
from mcp_gateway_operator.runtime.guard_places import Lookout, Places
from mcp_gateway_operator.runtime.lease import Lease
from tests.support.memory_cluster import Faults, MemoryApiServer
from tests.support.virtual_time import wall_clock

NAME = "guard.example.com"
DURATION = 15.0
CALL = 10.0


class Installation:
    """One process: its guard, whom it saw, where it may work.

    Args:
        server: the API server.
        name: of the process.
        namespaces: those that it watches; none means all.
        home: where the guard is.
        faults: what goes wrong with its requests.
        elected: whether it leads its replicas from the start.
    """

    def __init__(
        self,
        server: MemoryApiServer,
        name: str,
        namespaces: Sequence[str] = (),
        *,
        home: str = "",
        faults: Faults | None = None,
        elected: bool = True,
    ) -> None:
        self.name = name
        self.cluster = server.connect(name, faults=faults)
        self.told: list[tuple[str, str]] = []
        self.changes: list[str] = []
        places = Places(NAME, home)
        clock = asyncio.get_running_loop().time
        self.guard = Guard(
            namespaces,
            lease_for=lambda namespace, on_wait: Lease(
                self.cluster,
                namespace=places.of(namespace)[0],
                name=places.of(namespace)[1],
                identity=name,
                wall=wall_clock(),
                duration=DURATION,
                renew_deadline=10.0,
                retry_period=2.0,
                call_seconds=CALL,
                jitter=random.Random(name).random,  # noqa: S311  -- repeatable
                strict=True,
                on_wait=on_wait,
            ),
            lookout=Lookout(self.cluster, places, identity=name, duration=DURATION, clock=clock),
            tell=lambda namespace, holder: self.told.append((namespace, holder)),
        )
        self.guard.on_change = self.changes.append
        if elected:
            self.guard.elected.set()
        self.task = asyncio.create_task(self.guard.run())

    def works_in(self, *namespaces: str) -> list[str]:
        """Return those of the namespaces in which a call may begin now."""
        return [each for each in namespaces if self.guard.may_begin(each)]

    async def kill(self) -> None:
        """End it as SIGKILL does: it gives nothing up."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self.guard.retire()
        await self.kill()
        await self.guard.release()
