"""Runs the fleet's commands beside the demo, as a person would in another terminal."""

from __future__ import annotations

import os
import subprocess
import sys

from mcp_gateway_operator_demo.environment import GATEWAY, NOT_INHERITED, REGION, Environment


class Mcps:
    """`mcps ...` with the demo's cluster and its simulated AWS.

    Args:
        environment: a whole installation.
        width: columns that tables may take; None for as many as they need.
    """

    def __init__(self, environment: Environment, width: int | None) -> None:
        self._environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith(NOT_INHERITED)},
            "KUBECONFIG": str(environment.cluster.kubeconfig),
            "KUBECTL": "none: no pods run here",
            "AWS_ENDPOINT_URL": environment.simulator.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "MCPS_GATEWAY_ID": GATEWAY,
        }
        self._environ.pop("COLUMNS", None)
        if width is not None:
            self._environ["COLUMNS"] = str(width)

    def __call__(self, *arguments: str) -> list[str]:
        """Return the lines that a command prints, whatever its answer is."""
        done = subprocess.run(  # noqa: S603  -- our own program
            [sys.executable, "-m", "mcp_gateway_operator", *arguments],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return (done.stdout + done.stderr).splitlines()
