"""What AWS allows, as far as is known: calls per second, and how many writes one gateway takes at a time.

A bucket never gives a token that AWS would refuse, and learns when AWS refuses all the same.

The service documents a quota of concurrent operations on a gateway and not what counts as one. Calls are
assumed, for they give the greater pace. A refusal that only makes sense if targets in CREATING, UPDATING and
DELETING count as well says otherwise: then they do, for the whole account, until it is time to try again.

While AWS does not accept the credentials one call now and then is made, to hear when it does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway_operator.agentcore.quota.quotas import Op
from mcp_gateway_operator.agentcore.quota.ticket_queue import Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

HOLD_SECONDS: Final = 300.0
"""How long a target counts as on the move at most, should nobody ever see it settle."""
FIRST_LESSON: Final = 300.0
"""Seconds for which targets count after the first refusal of its kind."""
LONGEST_LESSON: Final = 3600.0
"""The lesson doubles up to this while each try without it is refused soon."""
TRIAL_SECONDS: Final = 600.0
"""A refusal within this time after a lesson shows that it still holds."""
DOUBTS: Final = 3
"""Refusals that do not say what they are for, within `DOUBTS_WITHIN` seconds, that make a lesson."""
DOUBTS_WITHIN: Final = 60.0
FIRST_PROBE: Final = 2.0
"""Seconds until the first call after a refusal: the credentials were looked for again meanwhile."""
PROBE_INTERVAL: Final = 30.0
"""Seconds between two calls while AWS refuses the credentials."""

_SPOKEN: Final = re.compile(
    r"\bconcurren(?!t (?:modification|update))|\bsimultaneous|\bin.flight\b", re.IGNORECASE
)
_OTHERWISE: Final = re.compile(r"\bname\b|\bexist|\bunique\b|\btoo many targets\b", re.IGNORECASE)
_BUSY: Final = frozenset({ErrorKind.THROTTLED, ErrorKind.CONFLICT, ErrorKind.QUOTA})
_SAYS_NOTHING: Final = frozenset({ErrorKind.TRANSIENT, ErrorKind.THROTTLED, ErrorKind.FENCED})
"""Failures from which it cannot be told whether the credentials were accepted."""


def speaks_of_concurrency(error: AgentCoreError) -> bool:
    """Whether a refusal names the number of operations at a time, and not their rate."""
    return error.kind in _BUSY and _SPOKEN.search(error.message) is not None


@dataclass(slots=True)
class _Gateway:
    """`moving` has the targets on the move and when they stop counting, the earliest first."""

    in_flight: int = 0
    moving: dict[str, float] = field(default_factory=dict)


class Slots:
    """The slots of all gateways of one account. All times are seconds of one monotonic clock.

    Args:
        limit: writes of one gateway at a time; None is unlimited.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._gateways: dict[str, _Gateway] = {}
        self._lesson = FIRST_LESSON
        self._until = -math.inf
        self._doubts: list[float] = []

    def counts_targets(self, now: float) -> bool:
        """Whether targets on the move take slots at present, as calls always do."""
        return now < self._until

    def taken(self, gateway_id: str, now: float) -> int:
        """Return how many slots of a gateway are taken."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return 0
        return gateway.in_flight + (self._moving(gateway, now) if self.counts_targets(now) else 0)

    def free(self, gateway_id: str, now: float) -> bool:
        """Whether a gateway has a slot."""
        return self.limit is None or self.taken(gateway_id, now) < self.limit

    def take(self, gateway_id: str) -> None:
        """Take a slot for a call."""
        self._gateways.setdefault(gateway_id, _Gateway()).in_flight += 1

    def give_back(self, gateway_id: str) -> None:
        """End a call."""
        gateway = self._gateways[gateway_id]
        gateway.in_flight -= 1
        self._drop_if_idle(gateway_id, gateway)

    def moving(self, gateway_id: str, target_id: str, now: float) -> None:
        """Note that a target is on the move, whoever moved it."""
        if self.limit is None:
            return
        gateway = self._gateways.setdefault(gateway_id, _Gateway())
        gateway.moving.pop(target_id, None)
        gateway.moving[target_id] = now + HOLD_SECONDS

    def settled(self, gateway_id: str, target_id: str) -> bool:
        """Note that a target is on the move no more; return whether it was."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None or gateway.moving.pop(target_id, None) is None:
            return False
        self._drop_if_idle(gateway_id, gateway)
        return True

    def refused(self, gateway_id: str, op: Op, error: AgentCoreError, now: float) -> None:
        """Learn from a refused write, whose call is still counted as in flight."""
        gateway = self._gateways[gateway_id]
        moving = self._moving(gateway, now)
        others = gateway.in_flight - 1 + moving
        if self.limit is None or self.counts_targets(now) or not moving or others < self.limit:
            return
        if not speaks_of_concurrency(error):
            if not _may_mean_concurrency(op, error):
                return
            self._doubts = [*(at for at in self._doubts if at > now - DOUBTS_WITHIN), now]
            if len(self._doubts) < DOUBTS:
                return
        self._doubts = []
        again = now < self._until + TRIAL_SECONDS
        self._lesson = min(2 * self._lesson, LONGEST_LESSON) if again else FIRST_LESSON
        self._until = now + self._lesson

    def next_at(self, now: float) -> float | None:
        """Return when slots become free by themselves; None when only calls and targets that end free any."""
        if not self.counts_targets(now):
            return None
        return min([self._until, *_firsts(self._gateways.values())])

    def _moving(self, gateway: _Gateway, now: float) -> int:
        for target_id in [each for each, until in gateway.moving.items() if until <= now]:
            del gateway.moving[target_id]
        return len(gateway.moving)

    def _drop_if_idle(self, gateway_id: str, gateway: _Gateway) -> None:
        if not gateway.in_flight and not gateway.moving:
            del self._gateways[gateway_id]


def _firsts(gateways: Iterable[_Gateway]) -> list[float]:
    return [next(iter(gateway.moving.values())) for gateway in gateways if gateway.moving]


def _may_mean_concurrency(op: Op, error: AgentCoreError) -> bool:
    """Whether a refusal without a word of concurrency may mean it: not one for a name or a target's state."""
    if error.kind is ErrorKind.THROTTLED:
        return True
    return op is Op.CREATE and error.kind in _BUSY and _OTHERWISE.search(error.message) is None


PACE: Final = 0.98
"""Share of the quota that is used. The rest absorbs two clocks that do not run alike."""

BURST: Final = 0.4
"""Burst in seconds of the quota. A service bucket of one second's worth stays ahead of ours by the rest:
calls still find their token there that are delayed unevenly, by up to 600 ms, by the network or by the read
of the object between a grant and its Create. A grant keeps its token, so a small burst costs no pace.
"""

DECREASE: Final = 0.7
"""What a refusal leaves of the rate."""

RECOVERY: Final = 60.0
"""Seconds from rate 0 back to the whole quota: slow, for the quota is shared with other tools."""

LEAST: Final = 0.1
"""Share of the quota that is kept however often AWS refuses, so that everything still ends."""


class Bucket:
    """Tokens of one operation. All times are seconds of one monotonic clock and never run backwards.

    `quota` None means no limit; then only `pause` holds calls back.
    """

    def __init__(self, quota: float | None, now: float) -> None:
        self._quota = quota
        self._ceiling = math.inf if quota is None else quota * PACE
        self._capacity = math.inf if quota is None else max(1.0, quota * BURST)
        self._rate = self._ceiling
        self._level = self._capacity
        self._at = now
        self._paused_until = now
        self._decreased_at = -math.inf

    def rate(self, now: float) -> float | None:
        """Return the calls per second used at present; None without a quota."""
        self._advance(now)
        return None if self._quota is None else self._rate

    def available(self, now: float) -> bool:
        """Whether a token can be taken."""
        self._advance(now)
        # Sums of refills fall short of a whole token by rounding, and a timer may fire a clock tick early;
        # without the tolerance it would find nothing and be set again.
        return now >= self._paused_until and self._level >= 1 - 1e-6

    def take(self) -> None:
        """Take a token; `available` said that there is one."""
        self._level -= 1

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._level = min(self._capacity, self._level + 1)

    def next_at(self, now: float) -> float:
        """Return when a token can be taken, at the latest."""
        self._advance(now)
        missing = max(0.0, 1 - self._level)
        refilled = now if math.isinf(self._rate) else now + missing / self._rate
        return max(refilled, self._paused_until)

    def refused(self, now: float, pause: float) -> None:
        """Note that AWS throttled a call: no call for `pause` seconds, and fewer afterwards.

        The answers to one burst arrive together and are one lesson: the rate falls once a second at most.
        """
        self._advance(now)
        self._paused_until = max(self._paused_until, now + pause)
        if self._quota is None or now < self._decreased_at + 1:
            return
        self._decreased_at = now
        self._rate = max(self._ceiling * LEAST, self._rate * DECREASE)
        self._level = min(self._level, 0.0)

    def _advance(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed <= 0 or self._quota is None:
            return
        self._at = now
        before = self._rate
        self._rate = min(self._ceiling, before + self._ceiling * elapsed / RECOVERY)
        self._level = min(self._capacity, self._level + elapsed * (before + self._rate) / 2)


class CredentialsGate:
    """Shut from the first call that is refused for its credentials until a probe is not.

    Args:
        on_turn: called when the refusal is confirmed, and when it is over.

    Attributes:
        shut: no call but the probe may be made.
        error: the refusal, once the first probe has confirmed it.
        probe: the ticket of the probe, while it is out.
        probe_at: when the next one is due, in loop seconds.
    """

    def __init__(self, on_turn: Callable[[], None]) -> None:
        self.shut = False
        self.error: AgentCoreError | None = None
        self.probe: Ticket | None = None
        self.probe_at = 0.0
        self._on_turn = on_turn

    def ended(self, ticket: Ticket, error: AgentCoreError | None, now: float) -> None:
        """Learn from the end of a call; only a probe's opens the gate, for others may have begun before."""
        probe = ticket is self.probe
        if probe:
            self.probe = None
        if not ticket.heard:
            return
        kind = error.kind if error is not None else None
        if kind is ErrorKind.CREDENTIALS and not self.shut:
            self.shut, self.probe_at = True, now + FIRST_PROBE
        elif probe and (kind is ErrorKind.CREDENTIALS or (kind in _SAYS_NOTHING and self.error is not None)):
            self.probe_at = now + PROBE_INTERVAL
            if self.error is None:
                self.error = error
                self._on_turn()
        elif probe:
            confirmed, self.shut, self.error = self.error is not None, False, None
            if confirmed:
                self._on_turn()
