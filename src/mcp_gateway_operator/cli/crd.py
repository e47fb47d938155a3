"""`crd`: print the CustomResourceDefinitions that this version needs."""

from __future__ import annotations

import click

_EXAMPLE = """
\b
Example:
  mcp-gateway-operator crd | kubectl apply --server-side -f -
"""


@click.command("crd", epilog=_EXAMPLE)
@click.option(
    "--legacy", is_flag=True, help="For Kubernetes 1.19 to 1.29: the same types, without the new rules."
)
def command(*, legacy: bool) -> None:
    """Print the CustomResourceDefinitions as YAML: of MCPServer and of MCPGateway.

    The default one refuses bad input with a message that says what to write. It needs Kubernetes 1.30, where
    objects that are older than a rule can still be changed and deleted.
    """
    from mcp_gateway_operator.api.crd_manifest import KINDS, custom_resource_definition, to_yaml  # noqa: PLC0415  -- `--help` stays fast

    manifests = (to_yaml(custom_resource_definition(kind, legacy=legacy)) for kind in KINDS)
    click.echo("---\n".join(manifests), nl=False)
