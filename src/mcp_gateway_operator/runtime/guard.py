"""Keeps two installations from writing to the same targets: who works in which namespace.

Replicas of one installation compete for its Lease. Two installations, or one and a developer's process, know
nothing of each other's; they meet at the guard: one Lease for all namespaces, or one for each namespace that
is watched alone. Whoever works everywhere takes the one for all, and leaves out the namespaces whose own
Lease somebody holds then; whoever works in single namespaces takes their Leases, and then looks at the one
for all. So of two that begin at the same moment one at least sees the other, and waits.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import structlog

from mcp_gateway_operator.runtime.claims import Claim, State, claim
from mcp_gateway_operator.runtime.guard_places import ALL, Lookout
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.runtime.lease_record import shown

TELL_AGAIN: Final = 60.0
"""Seconds between two messages about one namespace: a tenant may write another holder every second."""

LeaseFor = Callable[[str, Callable[[str], None]], Lease]
"""Makes the Lease of a namespace, or of `ALL`; the second argument is its `on_wait`."""
Tell = Callable[[str, str], None]
"""Is told in which namespace (or `ALL`) somebody else works, and his name."""

log = structlog.get_logger(__name__)


class Guard:
    """Says in which namespaces this process works. Elsewhere it is a standby, ready and silent.

    Args:
        namespaces: those that are watched; none means all.
        lease_for: makes the Leases; each must be lost when it has run out.
        lookout: sees who holds the others.
        tell: told of each other holder, once.

    Attributes:
        elected: set by whoever runs it once this process may work at all; until then nothing is taken.
        on_change: told when the right to work in a namespace, or in `ALL`, came or went.
    """

    def __init__(
        self, namespaces: Sequence[str], *, lease_for: LeaseFor, lookout: Lookout, tell: Tell
    ) -> None:
        self.elected = asyncio.Event()
        self.on_change: Callable[[str], None] = lambda _: None
        self._tell = tell
        self._told: dict[str, float] = {}
        self._told_forbidden = False
        self._claims: dict[str, Claim] = {}
        for each in namespaces or (ALL,):
            lease = lease_for(each, partial(self._waited, each))
            self._claims[each] = claim(each, lease, lookout, self)

    async def run(self) -> None:
        """Claim what is watched, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._claims.values():
                tasks.create_task(each.run(), name=f"guard {each.namespace}")

    def retire(self) -> None:
        """Let nothing begin any more; what has begun may end."""
        for each in self._claims.values():
            each.lease.retire()

    async def release(self) -> None:
        """Give everything up, so that another process can begin at once."""
        await asyncio.gather(*(each.lease.release() for each in self._claims.values()))

    # What the controller asks.

    def mine(self, namespace: str) -> bool:
        """Return whether this process is the one that works in a namespace."""
        found = self._of(namespace)
        return found is not None and found.covers(namespace)

    def since(self, namespace: str) -> float:
        """Return since when it does, in seconds of the event loop's clock."""
        found = self._of(namespace)
        return found.since(namespace) if found is not None else math.inf

    def may_begin(self, namespace: str) -> bool:
        """Return whether a call for an object of the namespace may begin now. Callable from any thread."""
        found = self._of(namespace)
        return found is not None and found.covers(namespace) and found.lease.may_begin()

    # What people ask.

    @property
    def shut_for(self) -> float:
        """For how many seconds calls may not begin although what they need is held: the longest."""
        return max(each.lease.shut_for for each in self._claims.values())

    def why_nothing(self) -> str | None:
        """Return why this process can begin nowhere, None when it does or waits for another."""
        troubles = [_trouble(each) for each in self._claims.values()]
        if not self.elected.is_set() or None in troubles:
            return None
        return f"it cannot be known whether another operator works here: {troubles[0]}"

    def notes(self) -> str | None:
        """Return where others work, for people; None when there is nothing to say."""
        parts = [f"{where_of(namespace)} by {shown(holder)}" for namespace, holder in self._others()]
        if any(each.state == "forbidden" for each in self._claims.values()):
            parts.append("without a guard, which RBAC denies")
        return None if not parts else f"worked on {', '.join(parts[:10])}"

    def counts(self) -> Counter[State]:
        """Return how many claims are in each state; a namespace left out of all counts as `other`."""
        states = Counter[State](each.state for each in self._claims.values())
        states["other"] += sum(len(each.others) for each in self._claims.values() if each.mine)
        return states

    # The audience of the claims.

    def changed(self, namespace: str) -> None:
        """Pass on that a right came or went."""
        if self.mine(namespace):
            log.info("works", where=where_of(namespace))
        self.on_change(namespace)

    def other(self, namespace: str, holder: str) -> None:
        """Tell that somebody else works there, but not all the time."""
        now = asyncio.get_running_loop().time()
        if now < self._told.get(namespace, -TELL_AGAIN) + TELL_AGAIN:
            return
        self._told[namespace] = now
        self._tell(namespace, shown(holder))

    def forbidden(self, error: Exception) -> None:
        """Say once that nothing keeps a second operator away."""
        if self._told_forbidden:
            return
        self._told_forbidden = True
        log.warning(
            "The guard cannot be taken or seen, so nothing keeps a second operator from writing to the same "
            "targets. The work goes on. Let this account get, create and update the guard's Leases (the "
            "chart does, and config/default), or name another place in --guard-namespace.",
            error=str(error),
        )

    # How.

    def _of(self, namespace: str) -> Claim | None:
        return self._claims.get(namespace) or self._claims.get(ALL)

    def _waited(self, namespace: str, holder: str) -> None:
        self._claims[namespace].note({namespace: holder})

    def _others(self) -> Iterable[tuple[str, str]]:
        return (pair for each in self._claims.values() for pair in each.others.items())


def _trouble(claim: Claim) -> str | None:
    # A namespace that is watched and does not exist has nothing to guard.
    if claim.lease.homeless and claim.lease.place[0] == claim.namespace:
        return None
    return claim.trouble or claim.lease.trouble


def where_of(namespace: str) -> str:
    """Return a namespace, or all of them, in words."""
    return f"namespace {namespace}" if namespace else "all namespaces"
