"""Metrics as data: each is declared once, and its registration, its page and its bounds follow from that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Kind = Literal["counter", "gauge", "histogram"]
OTHER: Final = "other"
"""Stands for every value of an open label beyond what the declaration allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One metric.

    Attributes:
        name: as queries say it; that of a counter ends in `_total`.
        kind: the type that Prometheus is told.
        help: what it measures, with its unit. Backquotes are left out of what Prometheus is told.
        labels: the labels, each with what its values are.
        bound: the most label combinations that one process shows; for each gateway, where `per_gateway`.
        per_gateway: it has the label `gateway`, one combination for each gateway that has series.
        open: the label whose values come from outside; the first three quarters of `bound` are shown as they
            come, further ones as `other`.
        buckets: upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    help: str
    labels: dict[str, str] = field(default_factory=dict)
    bound: int = 1
    per_gateway: bool = False
    open: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> int:
        """The most series: a histogram has one a bucket, and +Inf, sum and count."""
        return self.bound * (len(self.buckets) + 3 if self.buckets else 1)

    @property
    def text(self) -> str:
        """What Prometheus is told of it."""
        return self.help.replace("`", "")

    def counter(self, registry: CollectorRegistry) -> BoundedCounter:
        """Register a counter."""
        return BoundedCounter(self, Counter(self.name, self.text, tuple(self.labels), registry=registry))

    def gauge(self, registry: CollectorRegistry, read: Callable[[], float], *values: str) -> None:
        """Register a gauge that is read at each scrape; `values` are its labels'."""
        gauge = Gauge(self.name, self.text, tuple(self.labels), registry=registry)
        (gauge.labels(*values) if values else gauge).set_function(read)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """Register a histogram."""
        return Histogram(self.name, self.text, tuple(self.labels), buckets=self.buckets, registry=registry)

    def gauges(self) -> GaugeMetricFamily:
        """Return an empty family for a collector to fill."""
        return GaugeMetricFamily(self.name, self.text, labels=tuple(self.labels))

    def counters(self) -> CounterMetricFamily:
        """Return an empty family for a collector to fill."""
        return CounterMetricFamily(self.name, self.text, labels=tuple(self.labels))


class BoundedCounter:
    """A counter with no more label combinations than it was declared with, and one `other` for each rest."""

    def __init__(self, declared: Declared, counter: Counter) -> None:
        self._declared = declared
        self._counter = counter
        self._open = tuple(declared.labels).index(declared.open) if declared.open else -1
        self._children: dict[tuple[str, ...], Counter] = {}

    def begin(self, *values: str) -> None:
        """Show a combination, with 0 so far: a rate over it is right from its first count on."""
        self._child(values)

    def inc(self, *values: str) -> None:
        """Count one under these labels' values."""
        self._child(values).inc()

    def _child(self, values: tuple[str, ...]) -> Counter:
        child = self._children.get(values)
        if child is not None:
            return child
        # The last quarter is for the rests: one for each combination of the other labels.
        if self._open >= 0 and len(self._children) >= self._declared.bound * 3 // 4:
            values = (*values[: self._open], OTHER, *values[self._open + 1 :])
        child = self._children[values] = self._counter.labels(*values) if values else self._counter
        return child
