"""Somebody (Terraform, a colleague, another cluster) who keeps changing the same targets, as a value."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


class Writer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Edits or deletes the settled targets that match, again and again."""

    name: str = "*"
    """Target name, a shell glob."""
    gateway: str = "*"
    """Gateway id, a shell glob."""
    account: str = "*"
    region: str = "*"
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
