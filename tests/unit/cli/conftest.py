"""Calls `run` without running anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result

from mcp_gateway_operator.cli import main, run
from mcp_gateway_operator.cli.process import ProcessOptions
from mcp_gateway_operator.runtime.logs import Report


@dataclass
class Outcome:
    """What a command line came to."""

    result: Result
    options: ProcessOptions | None

    @property
    def parsed(self) -> ProcessOptions:
        """The options; the command line was understood."""
        assert self.options is not None, self.result.output
        return self.options


CallRun = Callable[..., Outcome]


@pytest.fixture
def call_run(monkeypatch: pytest.MonkeyPatch) -> CallRun:
    """Return a function that parses `run`'s arguments and environment variables."""
    for name in os.environ:
        if name.startswith(("MCPS_", "AWS_", "GATEWAY_ID", "KUBE")):
            monkeypatch.delenv(name)
    taken: list[ProcessOptions] = []

    async def note(options: ProcessOptions, _report: Report) -> int:
        taken.append(options)
        return 0

    monkeypatch.setattr(run, "run_operator", note)
    monkeypatch.setattr(ProcessOptions, "configure_logs", lambda _: None)

    def call(*arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
        taken.clear()
        argv = main.arguments(["run", *arguments], in_cluster=False)
        result = CliRunner().invoke(main.cli, argv, env=dict(env or {}), prog_name="mcp-gateway-operator")
        return Outcome(result, taken[0] if taken else None)

    return call
