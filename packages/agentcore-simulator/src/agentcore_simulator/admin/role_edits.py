"""What the admin API does to roles and their sessions."""

from __future__ import annotations

from typing import Any

import msgspec

from agentcore_simulator.plane import ControlPlane, Role
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
    if fixed := changes.keys() & {"name", "account", "id"}:
        raise ValueError(f"The {min(fixed)} of a role cannot be changed: make another role.")
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


def _is_of(session: Session, role: Role) -> bool:
    return (session.account, session.role_name) == (role.account, role.short_name)
