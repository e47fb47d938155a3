"""`validate`: check manifests without a cluster."""

from __future__ import annotations

import click

from mcp_gateway_operator.cli.files import manifest_files, name_of
from mcp_gateway_operator.cli.findings import show
from mcp_gateway_operator.cli.say import say

_EXAMPLE = """
\b
Examples:
  mcp-gateway-operator validate servers.yaml config/samples
  mcp-gateway-operator validate --strict -o sarif manifests > validate.sarif
  kustomize build overlays/prod | mcp-gateway-operator validate -
  mcp-gateway-operator validate servers mcpgateways.yaml namespaces.yaml
  helm template charts/servers | mcp-gateway-operator validate -
"""


@click.command("validate", epilog=_EXAMPLE)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="github: annotations in GitHub Actions; sarif: SARIF 2.1.0 for code scanning.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--allow-empty", is_flag=True, help="Accept files that hold nothing of ours.")
def command(*, files: tuple[str, ...], output: str, strict: bool, allow_empty: bool) -> None:
    """Check MCPServers and MCPGateways in FILES: YAML or JSON; a directory with all below it; - is stdin.

    The rules are those of the API server's admission and then those of the operator, so it also finds what a
    cluster admits and AWS refuses. A warning names what is legal and will most likely not work. Objects of
    other kinds are passed over; so are other projects' MCPServers, with a remark, and Helm templates that
    hold none of ours. A line of text begins with file:line:column.

    An MCPServer whose gateway an MCPGateway of FILES names, by gatewayRef or gatewayId, must be permitted
    there. Namespaces in FILES say which labels a namespace has; where a label matters and the Namespace is
    not among them, that is a warning.

    Exit status: 0 when nothing is wrong, 1 when something is (with --strict a warning, too), or when there is
    nothing of ours at all.
    """
    from mcp_gateway_operator.cli.checking import check  # noqa: PLC0415  -- `--help` stays fast

    found = list(manifest_files(files))
    rows = list(check(found))
    show(rows, output, files=len(found), strict=strict)
    empty = not allow_empty and not any(row.checked for row in rows)
    if empty:
        say(
            f"No MCPServer found in {', '.join(map(name_of, files))}, so nothing was checked. Name the files "
            "that hold them, or give --allow-empty where there may be none.",
            err=True,
        )
    if empty or any(row.problems or (strict and row.warnings) for row in rows):
        raise SystemExit(1)
