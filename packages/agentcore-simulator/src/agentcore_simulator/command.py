"""The command: an AgentCore control plane on loopback, for boto3, the AWS CLI and Terraform."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from agentcore_simulator import __version__

if TYPE_CHECKING:
    from agentcore_simulator.settings import Settings

_EXAMPLE = """
\b
Example:
  agentcore-simulator --port 8787 --gateway demo-abcdefghij &
  export AWS_ENDPOINT_URL=http://127.0.0.1:8787 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws bedrock-agentcore-control list-gateway-targets \\
    --gateway-identifier demo-abcdefghij
"""


@click.command("agentcore-simulator", epilog=_EXAMPLE)
@click.version_option(__version__, prog_name="agentcore-simulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--admin-host",
    "admin_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name by which /_sim/ is called, besides localhost and --host (repeatable).",
)
@click.option(
    "--profile",
    type=click.Choice(["fast", "aws", "chaos"]),
    default="fast",
    show_default=True,
    help="fast: states of half a second. aws: quotas, states of seconds. chaos: fast, with faults.",
)
@click.option(
    "--account", default="123456789012", show_default=True, help="Account of callers that name none."
)
@click.option("--region", default="us-east-1", show_default=True, help="Region of gateways that name none.")
@click.option(
    "--gateway",
    "gateways",
    multiple=True,
    metavar="[ACCOUNT/REGION/]ID",
    help="Make a gateway of this id, here or there (repeatable).",
)
@click.option(
    "--latency", type=click.FloatRange(min=0), metavar="MS", help="Added to each answer, in milliseconds."
)
@click.option(
    "--quotas/--no-quotas", default=None, help="Limit rates and concurrent writes [default: by profile]."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--probe", is_flag=True, help="Really connect to the targets' servers (needs the MCP SDK).")
@click.option("--loopback-http", is_flag=True, help="Accept http:// endpoints on loopback, unlike AWS.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file: loaded at the start, saved after changes.",
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of settings, roles, gateways, targets, scenarios, faults and other writers.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the URL to this file once it is listening.",
)
def command(  # noqa: PLR0913  -- one parameter an option
    *,
    host: str,
    port: int,
    admin_hosts: tuple[str, ...],
    profile: str,
    account: str,
    region: str,
    gateways: tuple[str, ...],
    latency: float | None,
    quotas: bool | None,
    seed: int,
    probe: bool,
    loopback_http: bool,
    state: Path | None,
    scenario: Path | None,
    ready_file: Path | None,
) -> None:
    """Run an Amazon Bedrock AgentCore control plane on this machine.

    Prints AWS_ENDPOINT_URL=... once it is listening. It checks no signature: it is meant
    for loopback, not for a network.
    """
    # Imported here so that `--help` stays fast.
    from agentcore_simulator.admin import save_file  # noqa: PLC0415
    from agentcore_simulator.engine import Engine  # noqa: PLC0415
    from agentcore_simulator.wire import listen, prepare, serve, url_of  # noqa: PLC0415

    changes: dict[str, object] = {"account": account, "region": region, "seed": seed}
    changes["switches"] = {"loopback_http": loopback_http}
    settings = _settings(profile, changes, latency, quotas)
    try:
        listener = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host}:{port}: {error.strerror}. Try --port 0."
        ) from error

    def announce(url: str) -> None:
        if ready_file is not None:
            try:
                save_file(ready_file, f"{url}\n".encode())
            except OSError as error:
                raise click.ClickException(f"Cannot write {ready_file}: {error.strerror}.") from error
        click.echo(f"AWS_ENDPOINT_URL={url}")

    with listener:
        engine = Engine(settings, clock=time.time)
        try:
            prepare(engine, url=url_of(listener), gateways=gateways, state=state, scenario=scenario)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
        try:
            serve(
                engine,
                listener,
                state=state,
                probe=probe,
                admin_hosts=(host, *admin_hosts),
                on_listening=announce,
            )
        except ImportError as error:
            raise click.ClickException("--probe needs the MCP SDK: pip install 'mcp' 'httpx2'.") from error


def _settings(
    profile: str, changes: dict[str, object], latency: float | None, quotas: bool | None
) -> Settings:
    from agentcore_simulator.settings import for_profile, patched  # noqa: PLC0415  -- as above

    if latency is not None:
        changes["latency"] = latency / 1000
    if quotas is not None:
        changes["quotas"] = {"enabled": quotas}
    try:
        return patched(for_profile(cast(Literal["fast", "aws", "chaos"], profile)), changes)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def main() -> None:
    """Run the command line; the exit status is the process's."""
    command(prog_name="agentcore-simulator")
