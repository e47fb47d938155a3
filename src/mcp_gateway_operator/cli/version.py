"""`version`: what this is, for scripts and bug reports."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import click

from mcp_gateway_operator import __version__


@click.command("version", epilog="Example: mcp-gateway-operator version -o json")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(output: str) -> None:
    """Print the versions of the operator, Python, and the libraries that talk to AWS and Kubernetes."""
    versions = {
        "mcp-gateway-operator": __version__,
        "python": platform.python_version(),
        "botocore": metadata.version("botocore"),
        "httptools": metadata.version("httptools"),
    }
    if output == "json":
        click.echo(json.dumps(versions))
        return
    for name, version in versions.items():
        click.echo(f"{name} {version}")
