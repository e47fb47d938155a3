"""Kinds of flag values, spelled as the Go operator's users write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api.durations import parse_duration

F = TypeVar("F", bound=Callable[..., Any])

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_GATEWAY_ID: Final = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z-]{0,127}")


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
    """An AgentCore gateway's id; an ARN is refused with the id to write instead."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, trimmed."""
        text = str(value).strip()
        if text.startswith("arn:"):
            self.fail(f"this is an ARN: give the id at its end, {text.rpartition('/')[2]!r}", param, ctx)
        if text and not _GATEWAY_ID.fullmatch(text):
            self.fail(f"{text!r} is not a gateway id such as my-gateway-abcde12345", param, ctx)
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


class Namespace(click.ParamType[Any]):
    """The name of a namespace; one that none can have is refused, for nothing would ever be found there."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, trimmed; "" stays what it is."""
        text = str(value).strip()
        if text and not is_namespace(text):
            self.fail(f"{text!r} is not the name of a namespace such as team-a", param, ctx)
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
