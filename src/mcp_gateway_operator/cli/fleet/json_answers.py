"""What commands answer with `-o json`. docs/schemas has a JSON schema of each, made from these types.

Within a version fields may come; one that goes, or means something else, makes a new version.
"""

from __future__ import annotations

from typing import Any, Final, Required, TypedDict

import click
import msgspec

from mcp_gateway_operator.api.mcpgateway import TargetCount
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.cli.fleet.view import Line

FieldChange = TypedDict("FieldChange", {"field": str, "from": Any, "to": Any})
"""A field of a target: its value in AWS, and the one that it gets; null where it is absent."""


class Step(TypedDict, total=False):
    """A step, in the order in which they are made: Create, Update, Synchronize, Delete, TakeUp or Release."""

    step: Required[str]
    gateway: Required[str]
    targetId: str
    targetName: str
    cause: str
    fields: list[FieldChange]
    message: str


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What would be done for one MCPServer, and how it would end.

    `action` is create, recreate, update, rename, move, adopt, sync, delete, release, conflict, not permitted,
    not known, refused, none, waits, or the reason of Ready of what is in the way.
    """

    namespace: str
    name: str
    action: str
    gateway: str = ""
    target_id: str = ""
    reason: str = ""
    message: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything would be done, or something is in the way."""
        return self.action != "none"


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="mcps.plan/v1"):
    """`plan`: how many objects have each action, what could not be seen, and the objects."""

    counts: dict[str, int]
    notes: list[str]
    objects: list[Planned]


class Room(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The gateway of an MCPGateway, and how full it is as the operator counts."""

    gateway: str
    mcp_gateway: str
    targets: TargetCount | None


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="mcps.status/v1"):
    """`status`: how many there are, how many are Ready, the others by reason, and the objects."""

    total: int
    ready: int
    reasons: dict[str, int]
    gateways: list[Room]
    objects: list[Line]


class DoctorAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="mcps.doctor/v1"):
    """`doctor`: all that was looked at."""

    findings: list[Finding]


class Orphan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A target of this installation that belongs to no MCPServer: why that is sure, and what removes it."""

    gateway: str
    target_id: str
    name: str
    marker: str
    proof: str
    remove: str


class OrphansAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="mcps.orphans/v1"):
    """`orphans`: the targets, and of each gateway that could not be listed why."""

    orphans: list[Orphan]
    unread: dict[str, str]


ANSWERS: Final = (PlanAnswer, StatusAnswer, DoctorAnswer, OrphansAnswer)


def as_json(answer: object) -> str:
    """Return an answer, or another value, as JSON of several lines."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()


def say_json(answer: msgspec.Struct) -> None:
    """Print an answer."""
    click.echo(as_json(answer))
