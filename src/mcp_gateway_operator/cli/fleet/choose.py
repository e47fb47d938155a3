"""Which MCPServers a command is about: names, or what selects several."""

from __future__ import annotations

import click
import msgspec

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.command import F, scope_options
from mcp_gateway_operator.cli.fleet.reach import Scope, servers
from mcp_gateway_operator.cli.fleet.view import line_of
from mcp_gateway_operator.runtime.cluster import Cluster


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller has named; `namespace` None means all."""

    names: tuple[str, ...]
    namespace: str | None
    selector: str
    reasons: tuple[str, ...]

    async def objects(self, cluster: Cluster, *, none_is_fine: bool = False) -> list[MCPServer]:
        """Return the objects.

        Raises:
            ApiError: the API server refuses.
            ClickException: there is none, or not one of each name, and that is not fine.
        """
        found: list[MCPServer] = []
        for name in self.names or ("",):
            before = len(found)
            each = servers(cluster, self.namespace, name=name, labels=self.selector)
            found += [obj async for obj in each if not self.reasons or line_of(obj).reason in self.reasons]
            if name and len(found) == before and not none_is_fine:
                raise click.ClickException(
                    f"There is no MCPServer {name!r} {self._where}: `mcps status -A` shows all there are."
                )
        if not found and not none_is_fine:
            raise click.ClickException(
                f"No MCPServer is meant: none {self._where} fits -l and --reason. `mcps status -A` shows all."
            )
        return found

    @property
    def _where(self) -> str:
        return f"in namespace {self.namespace}" if self.namespace else "in any namespace"


def choice_options(function: F) -> F:
    """Add names and all that selects objects without naming them."""
    for option in (
        click.argument("names", nargs=-1, metavar="[NAME]..."),
        click.option("--all", "every", is_flag=True, help="All in the namespace, or with -A all there are."),
        click.option("--reason", "reasons", multiple=True, help="Those whose Ready says so; repeatable."),
    ):
        function = option(function)
    return scope_options(function)


def choice_of(scope: Scope, *, names: tuple[str, ...], reasons: tuple[str, ...], every: bool) -> Choice:
    """Return what these options mean.

    Raises:
        UsageError: nothing is named, or names beside what selects several.
    """
    several = bool(scope.selector or reasons or every)
    if names and (several or scope.all_namespaces):
        raise click.UsageError("Give names, or what selects several (-l, --reason, --all, -A), not both.")
    if not (names or several or scope.namespace):
        raise click.UsageError("Say which: a NAME, -n NAMESPACE, -l LABELS, --reason REASON, or --all.")
    return Choice(names=names, namespace=scope.where(), selector=scope.selector, reasons=reasons)
