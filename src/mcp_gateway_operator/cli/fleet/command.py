"""What the fleet's commands have in common: how they are called, and what they exit with."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

import click
import structlog

from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.options import Namespace

F = TypeVar("F", bound=Callable[..., Any])

FAILED: Final = 1
"""Exit status when a question could not be answered, a wrong flag included."""
NOT_SO: Final = 2
"""Exit status when it was, and the answer is no: not all Ready, or changes to be made."""


@contextmanager
def silence() -> Iterator[None]:
    """Let what these commands have of the operator log nothing: whoever asks is told in another way."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)


class _MisuseError(click.UsageError):
    exit_code = FAILED


class Asking(click.Command):
    """A command whose status 2 is an answer, so that wrong usage ends with 1."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _MisuseError(error.format_message(), error.ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with silence():
                return super().invoke(ctx)
        except click.UsageError as error:
            raise _MisuseError(error.format_message(), error.ctx) from error


def asking(name: str, *, examples: str) -> Callable[[F], Asking]:
    """Return the decorator of a command; each line of `examples` is one, without the program's name."""
    given = [line.strip() for line in examples.strip().splitlines()]
    lines = [f"  {line}" if " | " in line else f"  mcp-gateway-operator {line}" for line in given]
    epilog = "\n".join(("\b", "Examples:" if len(lines) > 1 else "Example:", *lines))

    def decorate(function: F) -> Asking:
        return click.command(name, cls=Asking, epilog=epilog)(function)

    return decorate


def cluster_options(function: F) -> F:
    """Add --kubeconfig and --context, given on as `scope`."""
    return _scoped(function, _CLUSTER)


def scope_options(function: F) -> F:
    """Add -n, -A, -l and the cluster's options, given on as `scope`."""
    return _scoped(function, (*_CLUSTER, *_NAMESPACE))


def _scoped(function: F, options: Sequence[Callable[[Any], Any]]) -> F:
    @functools.wraps(function)
    def scoped(**given: Any) -> Any:
        taken = {name: given.pop(name) for name in Scope.__struct_fields__ if name in given}
        return function(scope=Scope(**taken), **given)

    result: Any = scoped
    for option in reversed(options):
        result = option(result)
    return cast(F, result)


_CLUSTER: Final = (
    click.option("--kubeconfig", default="", help="Kubeconfig file; else as kubectl finds it."),
    click.option("--context", default="", help="Context of the kubeconfig; else its current one."),
)
_NAMESPACE: Final = (
    click.option("-n", "--namespace", type=Namespace(), default="", help="In this one; else the context's."),
    click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces."),
    click.option("-l", "--selector", default="", help="Only those with these labels, as in kubectl."),
)


def output_option(*more: str) -> Callable[[F], F]:
    """Add -o with text, json, and more."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", *more, "json"]),
        default="text",
        show_default=True,
        help="JSON has a field schema, which changes when the shape does.",
    )
