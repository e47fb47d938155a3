"""A target in AWS's shape: what AWS holds, what a spec asks for, what differs, and whose mark is on it."""

from __future__ import annotations

from mcp_gateway_operator.targets.shape.desired import target_request
from mcp_gateway_operator.targets.shape.diff import (
    NO_FIELDS,
    FieldDiff,
    Flat,
    describe_diffs,
    digest_of,
    field_diffs,
    filled_in_by_aws,
    flatten,
    flatten_target,
)
from mcp_gateway_operator.targets.shape.target import (
    FAILED,
    PENDING_AUTH,
    TRANSIENT,
    Fingerprint,
    Target,
    TargetStatus,
    TargetSummary,
    account_and_region,
    bare,
    gateway_of_arn,
    instant,
    marker_of,
    owner_code,
    without_marker,
)

__all__ = [
    "FAILED",
    "NO_FIELDS",
    "PENDING_AUTH",
    "TRANSIENT",
    "FieldDiff",
    "Fingerprint",
    "Flat",
    "Target",
    "TargetStatus",
    "TargetSummary",
    "account_and_region",
    "bare",
    "describe_diffs",
    "digest_of",
    "field_diffs",
    "filled_in_by_aws",
    "flatten",
    "flatten_target",
    "gateway_of_arn",
    "instant",
    "marker_of",
    "owner_code",
    "target_request",
    "without_marker",
]
