"""What follows from a state, one question a module; `targets.plan` says in which order they are asked."""

from __future__ import annotations

from mcp_gateway_operator.targets.rules.awaited_reads import charged, read_in_vain
from mcp_gateway_operator.targets.rules.consent import asks_person, follow_consent, uses_grant
from mcp_gateway_operator.targets.rules.creation import unanswered
from mcp_gateway_operator.targets.rules.deletion import ending_begun, lets_go
from mcp_gateway_operator.targets.rules.drift import (
    at_war,
    configured_alike,
    drift_repaired,
    held_as_read,
    held_as_written,
)
from mcp_gateway_operator.targets.rules.failed_target import follow_failure, repaired
from mcp_gateway_operator.targets.rules.failure_reasons import classify
from mcp_gateway_operator.targets.rules.gateway_gone import GATEWAY_GONE_AFTER, ROLLS_APART
from mcp_gateway_operator.targets.rules.move import forgotten_leftovers
from mcp_gateway_operator.targets.rules.outage_words import (
    OUTAGES,
    last_good_of,
    reason_of,
    stamp,
    why_refused,
    why_unheard,
    why_unlisted,
)
from mcp_gateway_operator.targets.rules.ownership import (
    legacy_doubt,
    objection,
    status_names_strays,
    stray_note,
    stray_rows,
)
from mcp_gateway_operator.targets.rules.refusal_causes import Cause, cause_of
from mcp_gateway_operator.targets.rules.retries import as_shown, backoff, earliest, what_is_shown
from mcp_gateway_operator.targets.rules.rivalry import (
    Claim,
    claim_of,
    deciding_row,
    holder_words,
    looks_on,
    place_of,
    rank_of,
    way_out,
)
from mcp_gateway_operator.targets.rules.tool_sync import new_request

__all__ = [
    "GATEWAY_GONE_AFTER",
    "OUTAGES",
    "ROLLS_APART",
    "Cause",
    "Claim",
    "as_shown",
    "asks_person",
    "at_war",
    "backoff",
    "cause_of",
    "charged",
    "claim_of",
    "classify",
    "configured_alike",
    "deciding_row",
    "drift_repaired",
    "earliest",
    "ending_begun",
    "follow_consent",
    "follow_failure",
    "forgotten_leftovers",
    "held_as_read",
    "held_as_written",
    "holder_words",
    "last_good_of",
    "legacy_doubt",
    "lets_go",
    "looks_on",
    "new_request",
    "objection",
    "place_of",
    "rank_of",
    "read_in_vain",
    "reason_of",
    "repaired",
    "stamp",
    "status_names_strays",
    "stray_note",
    "stray_rows",
    "unanswered",
    "uses_grant",
    "way_out",
    "what_is_shown",
    "why_refused",
    "why_unheard",
    "why_unlisted",
]
