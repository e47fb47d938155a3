"""What follows from a state, one question a module; `targets.plan` says in which order they are asked."""

from __future__ import annotations

from mcp_gateway_operator.targets.rules.adoption import adopt, advice
from mcp_gateway_operator.targets.rules.compare import configured_alike, differences, signature
from mcp_gateway_operator.targets.rules.consent import asks_person, follow_consent
from mcp_gateway_operator.targets.rules.deletion import plan_deletion
from mcp_gateway_operator.targets.rules.duplicates import stray_note, strays_told
from mcp_gateway_operator.targets.rules.failures import DRIFT_BASE, DRIFT_MAX, HEALED, backoff, classify
from mcp_gateway_operator.targets.rules.gateway_gone import GATEWAY_GONE_AFTER
from mcp_gateway_operator.targets.rules.move import clear_up, forgotten_leftovers, plan_move
from mcp_gateway_operator.targets.rules.not_yet import (
    attempt,
    await_agreement,
    await_doubted,
    doubted,
    earliest,
    read,
    unlisted,
    was_ready,
)
from mcp_gateway_operator.targets.rules.observe_only import observe
from mcp_gateway_operator.targets.rules.ownership import (
    carries_our_marker,
    legacy_doubt,
    objection,
    row_to_keep,
    stray_rows,
)
from mcp_gateway_operator.targets.rules.read_budget import charge
from mcp_gateway_operator.targets.rules.recorded import plan_recorded
from mcp_gateway_operator.targets.rules.rivalry import (
    Claim,
    Rank,
    claim_of,
    deciding_row,
    holder_words,
    rank_of,
    yield_name,
)

__all__ = [
    "DRIFT_BASE",
    "DRIFT_MAX",
    "GATEWAY_GONE_AFTER",
    "HEALED",
    "Claim",
    "Rank",
    "adopt",
    "advice",
    "asks_person",
    "attempt",
    "await_agreement",
    "await_doubted",
    "backoff",
    "carries_our_marker",
    "charge",
    "claim_of",
    "classify",
    "clear_up",
    "configured_alike",
    "deciding_row",
    "differences",
    "doubted",
    "earliest",
    "follow_consent",
    "forgotten_leftovers",
    "holder_words",
    "legacy_doubt",
    "objection",
    "observe",
    "plan_deletion",
    "plan_move",
    "plan_recorded",
    "rank_of",
    "read",
    "row_to_keep",
    "signature",
    "stray_note",
    "stray_rows",
    "strays_told",
    "unlisted",
    "was_ready",
    "yield_name",
]
