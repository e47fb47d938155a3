"""Where the Leases of the guard are, and who holds those of another kind of installation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster
from mcp_gateway_operator.runtime.lease_record import Record, Sight, decode

ALL: Final = ""
"""Stands for every namespace there is."""
HOME: Final = "kube-system"
"""Where the Lease for all namespaces is unless another place is named: no team writes there."""
PAGE: Final = 10
"""Leases a page: a tenant may write megabytes into one of his own."""
TIMEOUT: Final = 10.0
"""Seconds for one request."""


@dataclass(frozen=True, slots=True)
class Places:
    """Namespace and name of each Lease of the guard.

    Attributes:
        name: of the Lease for all namespaces; that of a single namespace is `namespace-` and this.
        home: the namespace of all of them. Empty: `HOME` for the one, and for each other the namespace that
            it guards; then a tenant who may write Leases can take the guard of his own, and no other.
    """

    name: str
    home: str = ""

    def of(self, namespace: str) -> tuple[str, str]:
        """Return namespace and name of the Lease that guards a namespace, or `ALL` of them."""
        if namespace == ALL:
            return self.home or HOME, self.name
        return (self.home, f"{self.single}.{namespace}") if self.home else (namespace, self.single)

    @property
    def single(self) -> str:
        """The name of the Lease of a single namespace, or its beginning where all are in one place."""
        return f"namespace-{self.name}"

    def guarded(self, record: Record) -> str | None:
        """Return which namespace a listed Lease guards, None when it is another Lease."""
        if not self.home:
            return record.metadata.namespace
        prefix, _, namespace = record.metadata.name.partition(f"{self.single}.")
        return None if prefix or not namespace else namespace


class Lookout:
    """Sees who holds Leases of the guard that this process does not compete for.

    Args:
        identity: what this process calls itself; what it holds is nobody else's.
        duration: seconds that count where a Lease does not say how long it is good.
        clock: as in `Lease`.
    """

    def __init__(
        self,
        cluster: Cluster,
        places: Places,
        *,
        identity: str,
        duration: float,
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._places = places
        self._identity = identity
        self._duration = duration
        self._clock = clock
        self._sights: dict[str, Sight] = {}

    async def of_all(self) -> str:
        """Return who works in all namespaces, "" when nobody does.

        Raises:
            ApiError, TimeoutError: it could not be read.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                record = decode(await self._cluster.get(LEASES, *self._places.of(ALL)))
        except ApiError as error:
            if error.not_found:
                return ""
            raise
        return self._holder(ALL, record)

    async def of_single_ones(self) -> dict[str, str]:
        """Return each single namespace that somebody works in, with his name.

        Raises:
            ApiError, TimeoutError: they could not be listed.
        """
        places, found, token = self._places, dict[str, str](), ""
        while True:
            async with asyncio.timeout(TIMEOUT):
                page = await self._cluster.list(
                    LEASES,
                    namespace=places.home or None,
                    name="" if places.home else places.single,
                    limit=PAGE,
                    continue_token=token,
                )
            for raw in page.items:
                record = decode(raw)
                namespace = places.guarded(record)
                if namespace and (holder := self._holder(namespace, record)):
                    found[namespace] = holder
            if not (token := page.continue_token):
                return found

    def _holder(self, namespace: str, record: Record) -> str:
        sight = self._sights.setdefault(namespace, Sight())
        run_out = sight.has_run_out(record, self._clock(), duration=self._duration)
        return "" if run_out or record.holder == self._identity else record.holder
