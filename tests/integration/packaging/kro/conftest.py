"""Fixtures of the operator as a process."""

from __future__ import annotations

from tests.integration.operator.fixtures import kube, kubeconfig, make_site

__all__ = ["kube", "kubeconfig", "make_site"]
