"""Kinds of flag values, spelled as the Go operator's users write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api.aws_ids import is_gateway_id, no_gateway_id
from mcp_gateway_operator.api.durations import parse_duration
from mcp_gateway_operator.api.schema import shown

F = TypeVar("F", bound=Callable[..., Any])

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_OWNER: Final = 253
_PLACEHOLDER: Final = re.compile(r"""[<>{}$"'`\[\]\\]""")
"""What nobody has in a name, and what is left over of a template, a shell or a marker that was copied."""


class Duration(click.ParamType[Any]):
    """A duration as Go writes it (`60s`, `6h`), given on as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value} is not above zero", param, ctx)
        return seconds


class QuotaList(click.ParamType[Any]):
    """`default`, `unlimited` or `create=5,...`."""

    name = "quotas"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Quotas:
        """Return the quotas."""
        if isinstance(value, Quotas):
            return value
        try:
            return Quotas.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class GatewayId(click.ParamType[Any]):
    """An AgentCore gateway's id; a name, an ARN and an address are refused with what to write instead."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, trimmed."""
        text = str(value).strip()
        if text and not is_gateway_id(text):
            self.fail(no_gateway_id(text), param, ctx)
        return text


class CommaList(click.ParamType[Any]):
    """Comma-separated values, given on as a tuple; white space and empty parts do not count."""

    name = "list"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  -- click's signature
        ctx: click.Context | None,  # noqa: ARG002  -- click's signature
    ) -> tuple[str, ...]:
        """Return the values."""
        if isinstance(value, tuple):
            return value
        return tuple(filter(None, (part.strip() for part in str(value).split(","))))


class OwnerIds(CommaList):
    """Comma-separated names of installations: two clusters that have the same placeholder share a name."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once."""
        owners = tuple(dict.fromkeys(super().convert(value, param, ctx)))
        for owner in owners:
            if len(owner) > _LONGEST_OWNER or not owner.isprintable() or _PLACEHOLDER.search(owner):
                self.fail(
                    f"{shown(owner)} is not the name of an installation: write at most {_LONGEST_OWNER}"
                    " characters without brackets, quotes and '$', for example the cluster's name, prod-eu",
                    param,
                    ctx,
                )
        return owners


class Namespace(click.ParamType[Any]):
    """The name of a namespace; one that none can have is refused, for nothing would ever be found there."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, trimmed; "" stays what it is."""
        text = str(value).strip()
        if text and not is_namespace(text):
            self.fail(no_namespace(text), param, ctx)
        return text


class Namespaces(CommaList):
    """Comma-separated names of namespaces."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once."""
        names = dict.fromkeys(super().convert(value, param, ctx))
        return tuple(Namespace().convert(name, param, ctx) for name in names)


def is_namespace(text: str) -> bool:
    """Whether a namespace can have this name (an RFC 1123 label)."""
    return _LABEL.fullmatch(text) is not None


def no_namespace(text: str) -> str:
    """Return the sentence about a text that is no namespace's name, with what to write."""
    near = re.sub(r"[^a-z0-9,-]+", "-", text.lower()).strip("-")
    if text == "*":
        wish = "leave it out for all namespaces"
    elif any(each.isspace() for each in text):
        wish = f"write several names with commas between them: {','.join(text.split())}"
    else:
        wish = f"write for example {near if is_namespace(near) else 'team-a'}"
    return f"{shown(text)} is not the name of a namespace: {wish}"


def env_of(flag: str) -> str:
    """Return the environment variable that stands for a flag: `--drift-interval` is MCPS_DRIFT_INTERVAL."""
    return "MCPS_" + flag.removeprefix("--").replace("-", "_").upper()


def option(flag: str, *, env: str = "", **attributes: Any) -> Callable[[F], F]:
    """Return a click option that is also read from MCPS_..., and from `env` when that is not set."""
    names = [env_of(flag), env] if env else env_of(flag)
    return click.option(flag, envvar=names, show_envvar=True, show_default=True, **attributes)


def switch(flag: str, *, default: bool, **attributes: Any) -> Callable[[F], F]:
    """Return a boolean option as Go has them: `--flag`, `--flag=true` or `--flag=false`."""
    return option(
        flag, type=click.BOOL, is_flag=False, flag_value="true", default=default, metavar="BOOL", **attributes
    )
