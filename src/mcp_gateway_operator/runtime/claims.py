"""The right of one process to work in a namespace, or in all: taken, kept, lost, and taken again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeVar, get_args

import structlog

from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.guard_places import ALL, Lookout
from mcp_gateway_operator.runtime.lease import Lease, LeaseForbidden, LeaseLost

LOOK_AGAIN: Final = 2.0
"""Seconds between two looks at a Lease that this process does not compete for."""
RECONSIDER: Final = 60.0
"""Seconds between two tries to take a Lease that RBAC has denied."""

State = Literal["waiting", "held", "other", "forbidden"]
STATES: Final[tuple[State, ...]] = get_args(State)
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Audience(Protocol):
    """Who is told what becomes of a claim."""

    elected: asyncio.Event
    """Set once this process may take what it claims."""

    def changed(self, namespace: str) -> None:
        """The right to work in a namespace, or in `ALL` of them, came or went."""

    def other(self, namespace: str, holder: str) -> None:
        """Somebody else works there."""

    def forbidden(self, error: Exception) -> None:
        """RBAC does not let this process know, or say, who works where."""


class Claim(ABC):
    """The right to work in one namespace, or in all of them.

    Args:
        namespace: which; `ALL` for every one.
        lease: what it rests on; one that is lost when it has run out, see `Lease`.
        lookout: sees who holds what overlaps.
        audience: is told what becomes of it.

    Attributes:
        mine: whether this process works there.
        others: namespaces in which somebody else works, with his name.
        trouble: why it is not known who works there, if it is not.
    """

    def __init__(self, namespace: str, lease: Lease, lookout: Lookout, audience: Audience) -> None:
        self.namespace = namespace
        self.lease = lease
        self.mine = False
        self.others: dict[str, str] = {}
        self.trouble: str | None = None
        self._lookout = lookout
        self._audience = audience
        self._since = 0.0
        self._freed: dict[str, float] = {}

    @property
    def state(self) -> State:
        """What has become of it."""
        if self.mine:
            return "forbidden" if self.lease.waived else "held"
        return "other" if self.others else "waiting"

    def covers(self, namespace: str) -> bool:
        """Return whether this process works in a namespace that the claim is about."""
        return self.mine and namespace not in self.others

    def since(self, namespace: str) -> float:
        """Return since when it does, in seconds of the event loop's clock."""
        return max(self._since, self._freed.get(namespace, self._since))

    def note(self, others: dict[str, str]) -> None:
        """Remember who works where, and tell of those that are new."""
        before, self.others = self.others, others
        for namespace, holder in others.items():
            if before.get(namespace) != holder:
                self._audience.other(namespace, holder)

    async def run(self) -> None:
        """Claim, work, and claim again when the right was lost; until cancelled."""
        while True:
            await self._secure()
            self._since = asyncio.get_running_loop().time()
            self._freed.clear()
            self.mine = True
            self._audience.changed(self.namespace)
            try:
                await self._keep()
            except LeaseLost as lost:
                log.warning("the guard is lost, and nothing is written until it is held again", why=str(lost))
            finally:
                self.mine = False
            self._audience.changed(self.namespace)

    @abstractmethod
    async def _secure(self) -> None:
        """Return when nobody else works there."""

    async def _keep(self) -> None:
        """Return never; raise `LeaseLost` when somebody else may work there."""
        while True:
            while self.lease.waived:
                await asyncio.sleep(RECONSIDER)
                await self._reconsider()
            try:
                await self.lease.renew()
            except LeaseForbidden as error:
                self._go_without(error)

    async def _acquire(self, when: asyncio.Event) -> None:
        try:
            await self.lease.acquire(when=when)
        except LeaseForbidden as error:
            await when.wait()
            self._go_without(error)

    def _go_without(self, error: LeaseForbidden) -> None:
        # In a namespace that is being deleted nobody can make the Lease again, and deletions must go on.
        if not error.terminating:
            self._audience.forbidden(error)
        self.lease.waive()

    async def _reconsider(self) -> None:
        try:
            holder = await self.lease.reconsider()
        except LeaseForbidden:
            return
        if holder:
            self.lease.demand()
            raise LeaseLost(f"{holder} holds it.")

    async def _ask(self, question: Callable[[], Awaitable[T]], *, denied: T) -> T:
        """Return what the lookout sees; an API server that does not answer is asked until it does."""
        while True:
            try:
                answer = await question()
            except (ApiError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.forbidden:
                    self._audience.forbidden(error)
                    return denied
                self.trouble = str(error) or "the API server did not answer in time"
                log.warning("it is not known whether another operator works here", error=self.trouble)
                await asyncio.sleep(LOOK_AGAIN)
            else:
                self.trouble = None
                return answer


class ClaimToAll(Claim):
    """The right to work in every namespace but those whose own Lease somebody held when it began."""

    async def _secure(self) -> None:
        while True:
            await self._acquire(self._audience.elected)
            others = await self._single_ones()
            # Had the Lease run out meanwhile, somebody might have begun in a namespace and not have seen it.
            if self.lease.held:
                self.note(others)
                return

    async def _keep(self) -> None:
        following = asyncio.create_task(self._follow())
        try:
            await super()._keep()
        finally:
            following.cancel()

    async def _follow(self) -> None:
        """Take over namespaces that others give up. Later holders do not count: they must have seen us."""
        while self.others:
            await asyncio.sleep(LOOK_AGAIN)
            found = await self._single_ones()
            freed = self.others.keys() - found.keys()
            self._freed |= dict.fromkeys(freed, asyncio.get_running_loop().time())
            self.note({each: found[each] for each in self.others if each in found})
            for namespace in sorted(freed):
                self._audience.changed(namespace)

    async def _single_ones(self) -> dict[str, str]:
        return await self._ask(self._lookout.of_single_ones, denied={})


class ClaimToOne(Claim):
    """The right to work in a single namespace, while nobody works in all of them."""

    async def _secure(self) -> None:
        while True:
            clear = asyncio.Event()
            looking = asyncio.create_task(self._look_for_one_of_all(clear))
            try:
                await self._acquire(clear)
            finally:
                looking.cancel()
            holder = await self._of_all()
            if not holder and self.lease.held:
                self.note({})
                return
            await self.lease.release()

    async def _look_for_one_of_all(self, clear: asyncio.Event) -> None:
        await self._audience.elected.wait()
        while holder := await self._of_all():
            self.note({self.namespace: holder})
            await asyncio.sleep(LOOK_AGAIN)
        clear.set()

    async def _of_all(self) -> str:
        return await self._ask(self._lookout.of_all, denied="")


def claim(namespace: str, lease: Lease, lookout: Lookout, audience: Audience) -> Claim:
    """Return the claim to a namespace, or to `ALL`."""
    kind = ClaimToAll if namespace == ALL else ClaimToOne
    return kind(namespace, lease, lookout, audience)
