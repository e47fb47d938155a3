"""What the admin API does to roles and their sessions."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from agentcore_simulator.plane import ControlPlane, Role, RoleChange
from agentcore_simulator.protocol import Session


def make_role(plane: ControlPlane, role: Role) -> Role:
    """Make a role, or replace the one of its name: that keeps its id, and so its sessions."""
    account = role.account or plane.settings.account
    known = plane.roles.get(account, role.short_name)
    made = msgspec.structs.replace(role, account=account, id=known.id if known else plane.new_role_id())
    plane.roles.put(made)
    return made


def listed(plane: ControlPlane, account: str | None) -> list[Role]:
    """The roles of an account, or of all."""
    return [role for role in plane.roles if account in {None, role.account}]


def edit_role(plane: ControlPlane, role: Role, changes: dict[str, Any]) -> Role:
    """Replace members of a role; it holds from the next request on, for running sessions too.

    Raises:
        ValueError: an unknown member, or one that makes another role of it.
    """
    _check_members(changes)
    edited = msgspec.convert({**msgspec.to_builtins(role), **changes}, Role)
    plane.roles.put(edited)
    return edited


def end_sessions(plane: ControlPlane, role: Role, now: float) -> dict[str, int]:
    """Let the running sessions of a role expire now; says how many those were."""
    ended = [
        key for key, session in plane.credentials.items() if session.expires > now and _is_of(session, role)
    ]
    for key in ended:
        plane.credentials[key] = msgspec.structs.replace(plane.credentials[key], expires=now)
    return {"ended": len(ended)}


def change_later(plane: ControlPlane, change: RoleChange, now: float) -> RoleChange:
    """Let something become of a role in a while (or when it was, when it comes from a snapshot).

    Raises:
        ValueError: members that no role has.
    """
    _check_members(change.edit)
    msgspec.convert({"name": "any", **change.edit}, Role)
    change.account = change.account or plane.settings.account
    change.at = change.at if change.at is not None else now + change.after
    plane.roles.changes.append(change)
    plane.timeline.schedule(change.at, partial(_change, plane, change))
    return change


def _change(plane: ControlPlane, change: RoleChange, at: float) -> None:
    if not any(change is waiting for waiting in plane.roles.changes):
        return
    plane.roles.changes.remove(change)
    try:
        role = find_role(plane, change.name, change.account)
    except LookupError:
        return  # deleted meanwhile
    if change.edit:
        role = edit_role(plane, role, change.edit)
    if change.end_sessions:
        end_sessions(plane, role, at)
    if change.delete:
        plane.roles.remove(role)


def find_role(plane: ControlPlane, name: str, account: str | None) -> Role:
    """The role of that name, without or with its path.

    Raises:
        LookupError: nobody made it.
    """
    home = account or plane.settings.account
    role = plane.roles.get(home, name.rsplit("/", 1)[-1])
    if role is None:
        raise LookupError(f"Nobody made a role {name} in account {home}.")
    return role


def _check_members(changes: dict[str, Any]) -> None:
    if fixed := changes.keys() & {"name", "account", "id"}:
        raise ValueError(f"The {min(fixed)} of a role cannot be changed: make another role.")


def _is_of(session: Session, role: Role) -> bool:
    return (session.account, session.role_name) == (role.account, role.short_name)
