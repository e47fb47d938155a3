"""What `doctor` finds: each says what is there, why it matters and what to type."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        ok: it is as it should be; None when that cannot be known.
        what: as it is found.
        why: why that matters, where it does.
        do: what to type or to ask for.
    """

    ok: bool | None
    what: str
    why: str = ""
    do: str = ""
