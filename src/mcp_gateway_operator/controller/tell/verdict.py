"""What the conditions are made of."""

from __future__ import annotations

import msgspec


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the conditions say; None is what is not known.

    Attributes:
        ready: of Ready; None when AWS has not been heard of for too long.
        synced: of Synced; None when AWS held this generation and may not any more.
        progress: the reason of Reconciling and Stalled where it is not that of Ready.
        unheard: reason and message of Synced where they are not those of Ready.
    """

    ready: bool | None = False
    synced: bool | None = False
    reconciling: bool = False
    stalled: bool = False
    reason: str
    progress: str = ""
    message: str
    unheard: tuple[str, str] | None = None
