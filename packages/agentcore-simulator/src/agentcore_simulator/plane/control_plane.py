"""Everything one simulator holds, and the small questions that all operations ask of it."""

from __future__ import annotations

import random
import string
from collections import deque
from collections.abc import Iterator

from agentcore_simulator.errors import not_found
from agentcore_simulator.plane.resources import Gateway, Region, Target
from agentcore_simulator.plane.roles import Roles
from agentcore_simulator.plane.service_quotas import Buckets
from agentcore_simulator.plane.timeline import Timeline
from agentcore_simulator.plane.tokens import ClientTokens
from agentcore_simulator.protocol import Journal, Session
from agentcore_simulator.scenarios import CHAOS, FaultPlan, Scenario, Writer
from agentcore_simulator.settings import Settings

_LOWER = string.ascii_lowercase + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_UPPER = string.ascii_uppercase + string.digits


class ControlPlane:
    """Settings, tables, schedule and randomness of one simulator."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.base_url = ""
        """Where the simulator is reachable; "" when it is used without HTTP."""
        self.scenarios: list[Scenario] = []
        self.writers: list[Writer] = []
        self.faults = FaultPlan()
        self.journal = Journal(settings.log_size)
        self.probe_endpoints = False
        """Whether somebody outside connects to the servers and reports what it found."""
        self.reset()

    def reset(self) -> None:
        """Back to an empty control plane: no gateway, fault, scenario or log entry. Settings stay."""
        self.rng = random.Random(self.settings.seed)  # noqa: S311  -- repeatable runs, nothing secret
        # Request ids have their own, so that reads leave the state, which includes `rng`, as it is.
        self._ids = random.Random(self.settings.seed)  # noqa: S311  -- as above
        self.timeline = Timeline()
        self.regions: dict[tuple[str, str], Region] = {}
        self.tokens = ClientTokens()
        self.buckets = Buckets()
        self.roles = Roles()
        self.credentials: dict[str, Session] = {}
        """Sessions by the access key of their temporary credentials."""
        self.probes: deque[tuple[Target, int]] = deque()
        """Targets, with their epoch, whose server is to be connected to."""
        self.serial = 0
        """How many gateways and targets were made."""
        self.scenarios.clear()
        self.writers.clear()
        self.faults.faults[:] = CHAOS if self.settings.profile == "chaos" else ()
        self.journal.clear()

    def region(self, account: str, name: str) -> Region:
        """The tables of an account in a Region."""
        region = self.regions.get((account, name))
        if region is None:
            region = self.regions[account, name] = Region(account, name)
        return region

    def gateway(self, account: str, region: str, gateway_id: str) -> Gateway:
        """A gateway that the caller may see.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        home = self.regions.get((account, region))
        gateway = home.gateways.get(gateway_id) if home else None
        if gateway is None:
            raise not_found(f"Gateway {gateway_id} not found")
        return gateway

    def target(self, gateway: Gateway, target_id: str) -> Target:
        """A target of `gateway`.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        target = gateway.targets.get(target_id)
        if target is None:
            raise not_found(f"Target {target_id} not found in gateway {gateway.id}")
        return target

    def targets(self) -> Iterator[Target]:
        """All targets of all accounts and Regions."""
        return (
            target
            for region in self.regions.values()
            for gateway in region.gateways.values()
            for target in gateway.targets.values()
        )

    def next_serial(self) -> int:
        """The number of the next gateway or target, in order of creation."""
        self.serial += 1
        return self.serial

    def new_target_id(self, gateway: Gateway) -> str:
        """An id that no target of `gateway` has (10 upper-case letters and digits)."""
        while True:
            gateway.made += 1
            counted = self.settings.switches.target_ids == "counted"
            candidate = f"T{gateway.made:09d}" if counted else "".join(self.rng.choices(_UPPER, k=10))
            if candidate not in gateway.targets:
                return candidate

    def new_suffix(self) -> str:
        """Ten lower-case letters and digits, as a gateway id ends."""
        return "".join(self.rng.choices(_LOWER, k=10))

    def new_role_id(self) -> str:
        """An id as IAM gives it to a role: another one when a role is deleted and made again."""
        return f"AROA{''.join(self.rng.choices(_BASE32, k=17))}"

    def request_id(self) -> str:
        """A request id in the shape of a UUID."""
        digits = f"{self._ids.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def scenario(self, target: Target) -> Scenario | None:
        """The first scenario about `target`."""
        for scenario in self.scenarios:
            if scenario.matches(
                name=target.name,
                endpoint=target.traits.endpoint,
                gateway=target.gateway.id,
                account=target.gateway.region.account,
                region=target.gateway.region.name,
            ):
                return scenario
        return None

    def lasting(self, seconds: float) -> float:
        """A duration with the jitter of the settings."""
        jitter = self.settings.durations.jitter
        return seconds * self.rng.uniform(1 - jitter, 1 + jitter) if jitter else seconds
