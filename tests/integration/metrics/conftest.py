"""Fixtures of the metrics of a process."""

from __future__ import annotations

from tests.integration.operator.fixtures import kube

__all__ = ["kube"]
