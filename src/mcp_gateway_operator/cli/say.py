"""What commands print for people: the border between text of others and a terminal."""

from __future__ import annotations

import click

from mcp_gateway_operator.shown import shown


def say(line: str, *, err: bool = False) -> None:
    """Print one line, whatever it is made of."""
    click.echo(shown(line), err=err)
