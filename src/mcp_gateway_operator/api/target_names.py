"""Target names: AgentCore's pattern is narrower than Kubernetes' names."""

from __future__ import annotations

import re
from itertools import count
from typing import Final

MAX_ALPHANUMERICS: Final = 100
_DASHES: Final = re.compile(r"[.-]+")


def default_target_name(object_name: str) -> str:
    """Return the target name for an object that asks for none.

    AgentCore accepts `([0-9a-zA-Z][-]?){1,100}` (service model, TargetName): dots become dashes, runs of
    dashes collapse to one, and at most 100 alphanumerics are kept.
    """
    text = _DASHES.sub("-", object_name).lstrip("-")
    if len(text) <= MAX_ALPHANUMERICS:
        # Nearly every name: the very text that came in, when it can stay, so that memory holds it once.
        return object_name if text == object_name else text
    seen = count(1)
    for position, character in enumerate(text):
        if character != "-" and next(seen) > MAX_ALPHANUMERICS:
            return text[:position].rstrip("-")
    return text
