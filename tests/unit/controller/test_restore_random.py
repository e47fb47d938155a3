"""Random stories in which etcd is set back and objects are observed for a while end well, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.controller.ports import MCPSERVERS
from tests.support.memory_cluster import Request
from tests.support.memory_store import Snapshot
from tests.unit.controller.fuzz import NAMES, Story, _too_late
from tests.unit.controller.telling import tell

STORIES = range(20)


class Restored(Story):
    """A story with backups.

    Left out is what nobody can put right: a backup from before an object existed leaves an orphan, as does
    one from before a move; one from before the record needs the marker; what is observed keeps its target
    when it is deleted. And for a while after a way back the cache knows a generation by another spec.
    """

    def __init__(self, seed: int) -> None:
        self._backups: list[Snapshot] = []
        super().__init__(seed)

    def _weighed(self) -> list[Callable[[], Any]]:
        without = (self.move, self.strip_marker, self.hurry)
        usual = [action for action in super()._weighed() if action not in without]
        return usual + [self.back_up] * 3 + [self.go_back] * 3 + [self.observe] * 3

    async def back_up(self) -> None:
        """Take a backup of etcd."""
        self.say("backup")
        self._backups.append(self.world.api.store.snapshot())

    async def go_back(self) -> None:
        """Set etcd back; the operator's watches end, or go silent, or it is started anew."""
        there = {obj.metadata.uid for obj in self._objects()}
        fit = [backup for backup in self._backups if there <= _uids(backup)]
        if not fit:
            return
        backup = self.rng.choice(fit)
        how = self.rng.choice(("broken", "silent", "killed"))
        self.say(f"etcd goes back to {backup.revision}, watches {how}")
        self.world.api.store.restore(backup)
        self.audit.start_over()
        # The backups from later on are of a future that does not come.
        self._backups = [each for each in self._backups if each.revision <= backup.revision]
        if how == "broken":
            self.world.api.break_watches()
        if how == "killed":
            await self.kill()

    async def observe(self) -> None:
        """Let an object be observed, or managed again."""
        name = self._pick()
        if name and not (await self.world.get(name)).metadata.deletion_timestamp:
            policy = self.rng.choice(("Observe", "Manage"))
            self.say(f"{policy} {name}")
            await self.world.edit(name, spec={"managementPolicy": policy})

    def _pick(self) -> str | None:
        name = super()._pick()
        observed = {obj.metadata.name for obj in self._objects() if obj.spec.management_policy == "Observe"}
        return None if name in observed and self.rng.random() < 0.5 else name

    async def delete(self) -> None:
        """Delete an object that is managed."""
        if self._all_managed():
            await super().delete()

    async def recreate(self) -> None:
        """Delete an object that is managed, and make it again."""
        if self._all_managed():
            await super().recreate()

    def _all_managed(self) -> bool:
        return all(obj.spec.management_policy != "Observe" for obj in self._objects())

    async def _check_quiet(self) -> None:
        """A cache that knows statuses of a lost future reckons from them when a condition changed."""
        await super()._check_quiet()
        complaints = self.audit.complaints
        complaints[:] = [each for each in complaints if "lastTransitionTime" not in each]

    def _check_truth(self, request: Request) -> None:
        """See the class."""

    async def _make_peace(self) -> None:
        await super()._make_peace()
        for name in NAMES:
            with _too_late():
                await self.world.edit(name, spec={"managementPolicy": "Manage"})


def _uids(backup: Snapshot) -> set[str]:
    bodies = backup.objects[MCPSERVERS].values()
    return {decode(body).metadata.uid for body in bodies}


async def test_everything_converges_and_then_is_quiet(seed: int) -> None:
    await tell(Restored(seed))
