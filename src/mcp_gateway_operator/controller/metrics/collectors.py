"""What is a state is read at the scrape. What is said of objects, gateways and AWS, the leader alone says."""

from __future__ import annotations

import heapq
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mcp_gateway_operator.agentcore.accounts import Schedulers
from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.agentcore.quota import Lane
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.metrics import declared
from mcp_gateway_operator.controller.metrics.declared import MAX_GATEWAYS
from mcp_gateway_operator.controller.metrics.reasons import ACTS, UNSEEN, Actor
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.runtime.declared_metrics import OTHER, Declared
from mcp_gateway_operator.targets.rules import OUTAGES
from mcp_gateway_operator.targets.shape import owner_code

_KNOWN: Final = frozenset({*ACTS, Reason.READY})


class Standing(NamedTuple):
    """What the status of an object says of its present generation; the labels of `mcps_objects`."""

    ready: str
    stalled: str
    reason: str


def standing(obj: MCPServer) -> Standing:
    """Return what an object's status says; what was said of an older generation is not known."""
    ready, stalled = (obj.status.condition(kind) for kind in (ConditionType.READY, ConditionType.STALLED))
    if ready is None or ready.observed_generation != obj.metadata.generation:
        return Standing("Unknown", "False", UNSEEN)
    return Standing(
        ready.status if ready.status in ("True", "False") else "Unknown",
        "True" if stalled is not None and stalled.status == "True" else "False",
        ready.reason if ready.reason in _KNOWN else OTHER,
    )


class Objects(Collector):
    """How many objects there are, by what their status says, and since when the oldest is not Ready."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._passing: dict[tuple[str, str], tuple[str, str]] | None = None
        """Of objects whose reason passes by itself: that reason, and since when they have it."""

    def collect(self) -> Iterable[Metric]:
        """Walk through all objects once."""
        counts, oldest = Counts[Standing](), dict[str, str]()
        before, self._passing = self._passing, {}
        now = self._operator.wall().isoformat()
        for obj in self._operator.informer.values():
            found = standing(obj)
            counts[found] += 1
            if found.ready == "True":
                continue
            since = _not_ready_since(obj)
            if since and ACTS.get(found.reason) is Actor.NOBODY:
                since = _passing_since(obj.key, found.reason, since, before, now)
                self._passing[obj.key] = found.reason, since
            if since and since < oldest.get(found.reason, "~"):
                oldest[found.reason] = since
        counts[Standing("True", "False", Reason.READY)] += 0
        return [_counted(counts), self._ages(oldest), self._fought_over()]

    def _ages(self, oldest: dict[str, str]) -> Metric:
        family = declared.OLDEST.gauges()
        now = self._operator.wall()
        for reason, since in oldest.items():
            family.add_metric([reason], max(0.0, (now - datetime.fromisoformat(since)).total_seconds()))
        return family

    def _fought_over(self) -> Metric:
        family = declared.FOUGHT_OVER.gauges()
        family.add_metric([], self._operator.reconciler.fought_over())
        return family


def _counted(counts: Counts[Standing]) -> Metric:
    """Return the family, with the rarest under `other` should there be more than are declared."""
    family = declared.OBJECTS.gauges()
    ranked = counts.most_common()
    shown = Counts(dict(ranked[: declared.OBJECTS.bound - 6]))
    for (ready, stalled, _), count in ranked[declared.OBJECTS.bound - 6 :]:
        shown[Standing(ready, stalled, OTHER)] += count
    for labels, count in shown.items():
        family.add_metric(labels, count)
    return family


def _not_ready_since(obj: MCPServer) -> str:
    """Return a stamp, or "": when Ready was last True of an object that was edited since nobody knows."""
    ready = obj.status.condition(ConditionType.READY)
    if ready is None:
        return obj.metadata.creation_timestamp
    return "" if ready.status == "True" else ready.last_transition_time


def _passing_since(
    key: tuple[str, str],
    reason: str,
    since: str,
    before: dict[tuple[str, str], tuple[str, str]] | None,
    now: str,
) -> str:
    """Return since when an object has a reason: a repair passes through Updating, however old the failure.

    Args:
        key: of the object.
        reason: of its Ready.
        since: when it was last Ready.
        before: what the scrape before found; None for the first, which has to believe `since`.
        now: the present moment.
    """
    if before is None:
        return since
    known = before.get(key)
    return known[1] if known is not None and known[0] == reason else now


class Gateways(Collector):
    """What is known of each gateway in use."""

    def __init__(self, operator: Operator, *, all_namespaces: bool) -> None:
        self._operator = operator
        self._all_namespaces = all_namespaces

    def collect(self) -> Iterable[Metric]:
        """Walk through the tables of the observer."""
        observers = self._operator.observers
        tables = [table for each in observers.gateways() if (table := observers.table(each)) is not None]
        shown = bounded(tables)
        families = {each.name: each.gauges() for each in declared.GATEWAY_METRICS}
        recorded = Counts(
            obj.status.gateway_id for obj in self._operator.informer.values() if obj.status.target_id
        )
        owners = self._owners()
        for table in shown:
            for metric, value in self._figures(table, owners, recorded):
                families[metric.name].add_metric([table.gateway_id], value)
        families[declared.UNREPORTED.name].add_metric([], len(tables) - len(shown))
        settings, limit = self._operator.reconciler.settings, self._operator.schedulers.quotas.gateway_targets
        if settings.default_gateway:
            families[declared.DEFAULT_GATEWAY.name].add_metric([settings.default_gateway], 1)
        if limit is not None:
            families[declared.TARGETS_LIMIT.name].add_metric([], limit)
        return families.values()

    def _figures(
        self, table: GatewayTable, owners: frozenset[str], recorded: Counts[str]
    ) -> Iterable[tuple[Declared, float]]:
        view = table.view
        observer = self._operator.observers.of(table.gateway_id)
        yield declared.GATEWAY_INTERVAL, observer.interval(table.gateway_id)
        yield declared.GATEWAY_OBJECTS, recorded[table.gateway_id]
        if view.error is not None or view.listed_at is not None:
            yield declared.GATEWAY_HEALTHY, view.error is None
        if view.listed_at is not None:
            yield declared.GATEWAY_LISTED, self._operator.stamp(view.listed_at)
            yield declared.GATEWAY_TARGETS, len(table)
            if owners:
                yield declared.ORPHANED, self._orphans(table, owners)

    def _owners(self) -> frozenset[str]:
        """Return how markers name this installation; nothing while not all objects or markers are known."""
        operator = self._operator
        if not self._all_namespaces or not operator.informer.synced.is_set():
            return frozenset()
        return frozenset(map(owner_code, operator.reconciler.settings.owner_ids))

    def _orphans(self, table: GatewayTable, owners: frozenset[str]) -> int:
        known = self._operator.reconciler.index.markers()
        strangers = [mark for mark in table.markers() if mark not in known]
        ours = [mark for mark in strangers if mark.partition("/")[0] in owners]
        return sum(len(table.marked(mark)) for mark in ours)


def bounded(tables: list[GatewayTable]) -> list[GatewayTable]:
    """Return the tables that are shown: of gateways that exist before ids that somebody made up."""
    if len(tables) <= MAX_GATEWAYS:
        return tables
    return heapq.nsmallest(MAX_GATEWAYS, tables, key=lambda table: table.view.listed_at is None)


class Waiting(Collector):
    """What the quota scheduler holds back."""

    def __init__(self, schedulers: Schedulers) -> None:
        self._schedulers = schedulers

    def collect(self) -> Iterable[Metric]:
        """Read the scheduler."""
        age, depth, rate = (
            each.gauges() for each in (declared.QUEUE_AGE, declared.QUEUE_DEPTH, declared.RATE_LIMIT)
        )
        for lane in Lane:
            age.add_metric([lane], self._schedulers.queue_age(lane))
        for (op, lane), waiting in self._schedulers.depths().items():
            depth.add_metric([op, lane], waiting)
        for op, allowed in self._schedulers.own.rates().items():
            if allowed is not None:
                rate.add_metric([op], allowed)
        return [age, depth, rate]


class Leading(Collector):
    """Collects others while this process leads: a replica that waits knows nothing of what they say."""

    def __init__(self, leads: Callable[[], bool], *collectors: Collector) -> None:
        self._leads = leads
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        """Collect, or show the names alone."""
        if self._leads():
            for collector in self._collectors:
                yield from collector.collect()


class Outages(Collector):
    """What has gone wrong for a while, by its reason."""

    def __init__(self, causes: Causes) -> None:
        self._causes = causes

    def collect(self) -> Iterable[Metric]:
        """Show every reason, with 0 where nothing is wrong for it."""
        family = declared.OUTAGES.gauges()
        for reason, count in sorted({**dict.fromkeys(OUTAGES, 0), **self._causes.counts()}.items()):
            family.add_metric([reason], count)
        yield family
