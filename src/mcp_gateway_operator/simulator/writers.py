"""Other writers: somebody (Terraform, a colleague, another cluster) who keeps changing the same targets."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from . import admin_edits, lifecycle, state

if TYPE_CHECKING:
    from .state import Target
    from .world import World


class Writer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Edits or deletes the settled targets that match, again and again."""

    name: str = "*"
    """Target name, a shell glob."""
    gateway: str = "*"
    """Gateway id, a shell glob."""
    every: Annotated[float, msgspec.Meta(ge=0.1)] = 60.0
    """Seconds between two rounds."""
    edit: dict[str, Any] = {}
    """Members to merge in, as in an edit by the admin API; a target that has them already is left alone."""
    delete: bool = False
    """Delete instead of edit, at once."""
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many rounds; null for ever."""
    next: float | None = None
    """When the next round is (epoch seconds); filled in when it starts."""


def start(world: World, writer: Writer, now: float) -> None:
    """Let a writer begin, one interval from now (or where it was, when it comes from a snapshot)."""
    world.writers.append(writer)
    writer.next = writer.next if writer.next is not None else now + writer.every
    world.timeline.schedule(writer.next, partial(_round, world, writer))


def _round(world: World, writer: Writer, at: float) -> None:
    if writer not in world.writers:
        return
    for target in list(world.targets.values()):
        if _concerns(writer, target):
            _write(world, writer, target, at)
    if writer.times is not None:
        writer.times -= 1
        if writer.times == 0:
            world.writers.remove(writer)
            return
    writer.next = at + writer.every
    world.timeline.schedule(writer.next, partial(_round, world, writer))


def _concerns(writer: Writer, target: Target) -> bool:
    settled = target.status not in state.BUSY and target.status != state.DELETING
    return (
        settled and fnmatchcase(target.name, writer.name) and fnmatchcase(target.gateway.id, writer.gateway)
    )


def _write(world: World, writer: Writer, target: Target, at: float) -> None:
    if writer.delete:
        lifecycle.vanish(world, target, at)
    elif admin_edits.would_change(target, writer.edit):
        admin_edits.edit_target(world, target.id, writer.edit, at)
