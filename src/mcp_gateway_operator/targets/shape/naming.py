"""The ownership marker: who made a target, written where every List shows it; and what ARNs say.

AgentCore targets cannot be tagged; the description is the only free text (external-dns keeps its
ownership in Cloud Map descriptions for the same reason). The format is frozen: targets in AWS carry it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from typing import Final

MAX_DESCRIPTION: Final = 200
"""Characters of a target's description (service model, TargetDescription)."""

# From the beginning of white space only: tried from each blank of a long run, it would be quadratic.
_MARKER: Final = re.compile(r"(?<!\s)\s*\[mcps ([a-z2-7]{6})/([a-z2-7]{12})\]")


def _code(text: str, length: int) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:length]


@lru_cache(maxsize=64)
def owner_code(owner_id: str) -> str:
    """Return the six characters that name an installation in a marker."""
    return _code(owner_id, 6)


def marker_of(owner_id: str, namespace: str, name: str) -> str:
    """Return `OWNER/OBJECT` for one object of one installation."""
    subject = "\0".join((owner_id, namespace, name))
    return f"{owner_code(owner_id)}/{_code(subject, 12)}"


def find_marker(description: str | None) -> str | None:
    """Return the last marker in a description as `OWNER/OBJECT`, wherever somebody's edit left it."""
    if not description or "[mcps " not in description:
        return None
    found = _MARKER.findall(description)
    return "/".join(found[-1]) if found else None


def without_marker(description: str | None) -> str:
    """Return a description without markers and without white space around it."""
    return _MARKER.sub("", description).strip() if description else ""


def with_marker(description: str, mark: str | None) -> str:
    """Return the description to send: the text, shortened where it must be, and the marker behind it.

    White space around the text is left out, for it is not compared either.
    """
    description = description.strip()
    if mark is None:
        return description[:MAX_DESCRIPTION]
    suffix = f"[mcps {mark}]"
    if not description:
        return suffix
    return f"{description[: MAX_DESCRIPTION - len(suffix) - 1].rstrip()} {suffix}"


def gateway_of_arn(arn: str) -> str:
    """Return the gateway id at the end of `arn:aws:bedrock-agentcore:REGION:ACCOUNT:gateway/ID`, or ""."""
    head, found, gateway_id = arn.rpartition(":gateway/")
    return gateway_id if found and head.startswith("arn:") else ""


def account_and_region(arn: str) -> tuple[str, str]:
    """Return the account and the Region of an ARN, each "" when the text is no ARN."""
    parts = arn.split(":", 5)
    return (parts[4], parts[3]) if len(parts) == 6 and parts[0] == "arn" else ("", "")  # noqa: PLR2004  -- an ARN has six parts
