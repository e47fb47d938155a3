"""Fetches or builds every program that the integration tests run, before the tests' own clocks start."""

from __future__ import annotations

import sys

import helm_programs
import promtool_program

from mcp_gateway_operator_demo.localcluster.binaries import ensure_binaries
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Print one line a program; exit 1 with the reason when one cannot be had."""
    try:
        cluster = ensure_binaries(progress=_say)
    except BinariesUnavailableError as error:
        _say(str(error))
        return 1
    for path in (cluster.etcd, cluster.kube_apiserver, cluster.kubectl):
        print(path)
    return helm_programs.main() or promtool_program.main()


if __name__ == "__main__":
    sys.exit(main())
