"""`mcp-gateway-operator` (short: `mcps`): finds the command and imports nothing that it does not need."""

from __future__ import annotations

import codecs
import copy
import errno
import gc
import importlib
import importlib.util
import io
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final, cast

import click

from mcp_gateway_operator import __version__
from mcp_gateway_operator.cli.say import say

GROUPS: Final = {
    "Look": {
        "status": "Say which MCPServers are Ready, and why the others are not.",
        "why": "Tell the story of one MCPServer, and who has to act.",
        "plan": "Say what the operator would do, field by field.",
        "owner": "Say which MCPServer a target in AWS belongs to.",
        "orphans": "List the targets in AWS whose MCPServer is gone.",
        "doctor": "Look at all that MCPServers need, with what to type.",
        "report": "Write what a support case needs, without secrets.",
    },
    "Act": {
        "retry": "Have the operator look again now.",
        "pause": "Have nothing written to AWS for some MCPServers.",
        "resume": "Take back `pause`.",
        "sync": "Have AWS read the tools of servers again.",
        "wait": "Wait until MCPServers are Ready, or deleted.",
    },
    "Write manifests": {
        "import": "Write manifests for targets that are in AWS already.",
        "validate": "Check manifests offline with the rules of admission.",
    },
    "Operate": {
        "run": "Run the operator against a cluster.",
        "crd": "Print the CustomResourceDefinition.",
        "version": "Print the version.",
    },
    "Try": {
        "demo": "See the operator at work on this machine, with no cloud account.",
        "simulator": "Serve an AgentCore control plane on loopback.",
    },
}
COMMANDS: Final = {name: text for group in GROUPS.values() for name, text in group.items()}
_FLEET: Final = {
    "status": "status_command",
    "plan": "plan_command",
    **{name: name for name in ("why", "owner", "orphans", "doctor")},
    "report": "support_case",
    "import": "importing",
    **dict.fromkeys(("retry", "pause", "resume", "sync"), "marks"),
    "wait": "wait",
}
"""Commands about many MCPServers: by name, their module in `cli.fleet`."""
FROM_OTHERS: Final = {
    "demo": ("mcp_gateway_operator_demo.demo", "mcp-gateway-operator-demo"),
    "simulator": ("agentcore_simulator.command", "agentcore-simulator"),
}
"""Commands that other distributions bring: the module, and the distribution's name."""
_PROGRAM: Final = "mcp-gateway-operator"
_INTERRUPTED: Final = 130
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a file that standard output goes to."""
_GARBAGE: Final = 50_000
"""Objects made between two looks for garbage by a command about many MCPServers: what it gathers it shows at
its end, and to look through it every 700 objects took a fifth of the time of a plan of 1,000."""
_HELP: Final = frozenset({"--help", "-h", "--version"})


class _Lazy(click.Group):
    """Imports a command's module when it is asked for: `run` must stay small, `version` fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "run" or cmd_name in _FLEET:
            _import_structlog_alone()
        command = getattr(_module(cmd_name), cmd_name if _FLEET.get(cmd_name) == "marks" else "command")
        assert isinstance(command, click.Command)
        return _called(command, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  -- click's
        wide = max(map(len, COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                rows = [(name.ljust(wide), text + _needs(name)) for name, text in commands.items()]
                formatter.write_dl(rows)


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try: mcp-gateway-operator demo",
)
@click.version_option(__version__, prog_name="mcp-gateway-operator")
def cli() -> None:
    """Keep AWS Bedrock AgentCore gateway targets in step with MCPServer objects on Kubernetes.

    Flags without a command mean `run`, as the image's entrypoint is called.
    """


def _called(command: click.Command, ctx: click.Context) -> click.Command:
    """Return a command whose examples name the program as its user does: krew brings `kubectl mcps` alone."""
    if not command.epilog or not ctx.info_name:
        return command
    named = copy.copy(command)
    named.epilog = command.epilog.replace(_PROGRAM, ctx.info_name)
    return named


def _module(command: str) -> ModuleType:
    """Import the module of a command.

    Raises:
        ClickException: it comes with another distribution, which is not installed, or not completely.
    """
    if command not in FROM_OTHERS:
        place = f"fleet.{_FLEET[command]}" if command in _FLEET else command
        return importlib.import_module(f"mcp_gateway_operator.cli.{place}")
    module, distribution = FROM_OTHERS[command]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"`{command}` needs the package {distribution}, and the Python module {error.name!r} is missing: "
            f"install the wheels that `make build` writes (pip install dist/*.whl), or run `make venv` in a "
            "checkout."
        ) from error


def _needs(command: str) -> str:
    """Say in the overview what a command waits for."""
    if command not in FROM_OTHERS:
        return ""
    module, distribution = FROM_OTHERS[command]
    found = importlib.util.find_spec(module.partition(".")[0])
    return "" if found else f" Needs the package {distribution}."


def _import_structlog_alone() -> None:
    """Keep structlog from importing rich, 4 MB, for tracebacks that the operator prints without it."""
    if "rich" in sys.modules:
        return
    # What the import system takes as "not installed", which structlog allows.
    modules = cast(dict[str, ModuleType | None], sys.modules)
    modules["rich"] = None
    try:
        importlib.import_module("structlog")
    finally:
        del modules["rich"]


def arguments(argv: list[str], *, in_cluster: bool) -> list[str]:
    """Return the arguments with the command spelled out: bare flags, or none inside a pod, mean `run`."""
    if argv and (argv[0] in _HELP or not argv[0].startswith("-")):
        return argv
    return ["run", *argv] if argv or in_cluster else ["--help"]


def _program(path: str) -> str:
    """Return what the program is called in help, and by the shell's completion."""
    name = Path(path).name
    return {"mcps": "mcps", "kubectl-mcps": "kubectl mcps"}.get(name, _PROGRAM)


def _spelt_out(error: UnicodeError) -> tuple[str, int]:
    """Return JSON's escapes for characters that an encoding lacks, so that JSON stays what it is."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _write_anything() -> None:
    """Let the locale of a terminal or a pipe be no reason to fail."""
    codecs.register_error("mcps.spelt-out", _spelt_out)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="mcps.spelt-out")


def main() -> None:
    """Run the command line; the exit status is the process's."""
    _write_anything()
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    argv = arguments(sys.argv[1:], in_cluster=in_cluster)
    if argv[0] in _FLEET:
        gc.set_threshold(_GARBAGE)
    try:
        status = cli.main(args=argv, prog_name=_program(sys.argv[0]), standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.Abort:
        # Ctrl-C; click itself would say 1, which for scripts is a failure like any other.
        click.echo("Aborted!", err=True)
        status = _INTERRUPTED
    except OSError as error:
        if error.errno not in _FULL:
            raise
        say(f"Error: What was to be printed is not complete: {error.strerror}. Make room for it.", err=True)
        status = 1
    except click.ClickException as error:
        told = io.StringIO()
        error.show(file=told)
        for line in told.getvalue().splitlines():
            say(line, err=True)
        status = error.exit_code
    sys.exit(status)
