"""Other writers at work: their rounds of edits and deletions."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial

from agentcore_simulator.admin import outside_edits
from agentcore_simulator.plane import BUSY, DELETING, ControlPlane, Target, vanish_target
from agentcore_simulator.scenarios import Writer


def start(plane: ControlPlane, writer: Writer, now: float) -> None:
    """Let a writer begin, one interval from now (or where it was, when it comes from a snapshot)."""
    plane.writers.append(writer)
    writer.next = writer.next if writer.next is not None else now + writer.every
    plane.timeline.schedule(writer.next, partial(_round, plane, writer))


def _round(plane: ControlPlane, writer: Writer, at: float) -> None:
    if writer not in plane.writers:
        return
    for target in list(plane.targets()):
        if _concerns(writer, target):
            _write(plane, writer, target, at)
    if writer.times is not None:
        writer.times -= 1
        if writer.times == 0:
            plane.writers.remove(writer)
            return
    writer.next = at + writer.every
    plane.timeline.schedule(writer.next, partial(_round, plane, writer))


def _concerns(writer: Writer, target: Target) -> bool:
    if target.status in BUSY or target.status == DELETING:
        return False
    gateway = target.gateway
    return all(
        fnmatchcase(value, pattern)
        for value, pattern in (
            (target.name, writer.name),
            (gateway.id, writer.gateway),
            (gateway.region.account, writer.account),
            (gateway.region.name, writer.region),
        )
    )


def _write(plane: ControlPlane, writer: Writer, target: Target, at: float) -> None:
    if writer.delete:
        vanish_target(plane, target, at)
    elif outside_edits.would_change(target, writer.edit):
        outside_edits.edit_target(plane, target, writer.edit, at)
