"""The operator's own metrics, declared once: registration, bounds and docs/metrics.md follow from here.

Nothing is labelled by object or namespace, and gateways, which users name, are bounded: the number of series
does not grow with the number of MCPServers.
"""

from __future__ import annotations

from typing import Final

from mcp_gateway_operator.runtime.declared_metrics import Declared

MAX_GATEWAYS: Final = 500
"""Gateways with series of their own. Ids come from specs, whose writers must not fill Prometheus."""
CALL_BUCKETS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Seconds; a call ends after 15."""

_GATEWAY: Final = {"gateway": "its id"}
_LANE: Final = "`interactive`, `background`"
_OP: Final = "`create`, `update`, `delete`, `synchronize`, `get`, `list`, `list-gateways`"

# Objects. Shown by the process that leads.

OBJECTS = Declared(
    name="mcps_objects",
    kind="gauge",
    help="MCPServers by what their status says of the current generation. `reason` is Ready's; `Unseen` "
    'where it says nothing of this generation yet, which counts as `ready="Unknown"`.',
    labels={
        "ready": "`True`, `False`, `Unknown`",
        "stalled": "`True`, `False`",
        "reason": "a reason of Ready, `Unseen`, `other`",
    },
    bound=56,
)
OLDEST = Declared(
    name="mcps_oldest_not_ready_seconds",
    kind="gauge",
    help="How long the object that has not been Ready for longest has been so, by the reason of its "
    "Ready now. For a reason that passes by itself (`Queued`, `Creating`, `Updating` ...), how long it "
    "has had that one. One that was Ready and is edited has no age while it is `Unseen`.",
    labels={"reason": "as in `mcps_objects`"},
    bound=40,
)
TRANSITIONS = Declared(
    name="mcps_ready_transitions_total",
    kind="counter",
    help="How often this process has changed the status of an object's Ready condition.",
    labels={"to": "`True`, `False`, `Unknown`"},
    bound=3,
)
DRIFT_REPAIRS = Declared(
    name="mcps_drift_repairs_total",
    kind="counter",
    help="Changes made outside that were put right, or tried to: a target `changed`, or `deleted`.",
    labels={"kind": "`changed`, `deleted`"},
    bound=2,
)
FOUGHT_OVER = Declared(
    name="mcps_fought_over_objects",
    kind="gauge",
    help="MCPServers whose target was changed outside and repaired five times or more, with less than an "
    "hour between: somebody else writes it, too.",
)

# Gateways. Shown by the process that leads, for those that some object uses.

GATEWAY_HEALTHY = Declared(
    name="mcps_gateway_healthy",
    kind="gauge",
    help="1 when the latest List of the gateway succeeded, else 0.",
    labels=_GATEWAY,
    per_gateway=True,
)
GATEWAY_LISTED = Declared(
    name="mcps_gateway_last_list_timestamp_seconds",
    kind="gauge",
    help="Unix time at which the latest successful List of the gateway began; none before the first.",
    labels=_GATEWAY,
    per_gateway=True,
)
GATEWAY_INTERVAL = Declared(
    name="mcps_gateway_list_interval_seconds",
    kind="gauge",
    help="Seconds between two Lists at present: short while something is in flight, else the drift interval, "
    "longer where the quota is too small for the number of gateways.",
    labels=_GATEWAY,
    per_gateway=True,
)
GATEWAY_TARGETS = Declared(
    name="mcps_gateway_targets",
    kind="gauge",
    help="Targets on the gateway, whoever made them.",
    labels=_GATEWAY,
    per_gateway=True,
)
GATEWAY_OBJECTS = Declared(
    name="mcps_gateway_objects",
    kind="gauge",
    help="MCPServers whose status records a target on the gateway. 0 for an id that a spec names and that "
    "never held anything, such as a misspelt one.",
    labels=_GATEWAY,
    per_gateway=True,
)
ORPHANED = Declared(
    name="mcps_orphaned_targets",
    kind="gauge",
    help="Targets with this installation's marker that belong to no MCPServer: retained ones, and what a "
    "restore of the cluster left behind. None with `--watch-namespaces`, where it cannot be known.",
    labels=_GATEWAY,
    per_gateway=True,
)
OUTAGES = Declared(
    name="mcps_outage_gateways",
    kind="gauge",
    help="Gateways that AWS has not shown for three drift intervals although objects have targets there, by "
    "the reason that their conditions give, and `every call` where AWS refuses the credentials.",
    labels={"reason": "a reason of `Synced`"},
    bound=11,
)
UNREPORTED = Declared(
    name="mcps_gateways_unreported",
    kind="gauge",
    help=f"Gateways in use beyond {MAX_GATEWAYS}, which have no series.",
)
DEFAULT_GATEWAY = Declared(
    name="mcps_default_gateway_info",
    kind="gauge",
    help="1, for the gateway of `--gateway-id`; none where it is not set.",
    labels=_GATEWAY,
)
TARGETS_LIMIT = Declared(
    name="mcps_gateway_targets_limit",
    kind="gauge",
    help="Targets that AWS allows on a gateway, as `--aws-quotas` says; none without a limit.",
)

# MCPGateways. Shown by the process that leads.

CLASSES = Declared(
    name="mcps_classes",
    kind="gauge",
    help="MCPGateways by whether the operator follows them. Where it does not, or does not know yet, "
    "`reason` is that of `Accepted`; where it does, what keeps the gateway from being Ready: `NotReady` as "
    "AWS reports it, `AWSUnavailable`, `Queued`, `Deleting`, else `Accepted`. With `--watch-namespaces` only "
    "those that an MCPServer there names or uses.",
    labels={"accepted": "`True`, `False`, `Unknown`", "reason": "as said, `other`"},
    bound=15,
)
CLASS_OBJECTS = Declared(
    name="mcps_class_objects",
    kind="gauge",
    help="MCPServers that an MCPGateway decides about: `permitted`; `refused` before there was a target; "
    "`frozen`, which have one, and are neither changed nor repaired until they are permitted again.",
    labels={"state": "`permitted`, `refused`, `frozen`"},
    bound=3,
)
CLASSES_KNOWN = Declared(
    name="mcps_classes_known",
    kind="gauge",
    help="1 when MCPGateways and the labels of namespaces are as known here, or nothing speaks of "
    "MCPGateways; 0 while they cannot be read or the watch has been away for five minutes, and nothing is "
    "made or changed.",
)

# AWS.

REQUESTS = Declared(
    name="mcps_aws_requests_total",
    kind="counter",
    help="Requests to AWS. `code` is AWS's error code, the SDK's exception, `Timeout`, or `OK`; beyond 45 "
    "pairs of both, `other`.",
    labels={"operation": "as AWS names it, `CreateGatewayTarget`", "code": ""},
    bound=60,
    open="code",
)
REQUEST_SECONDS = Declared(
    name="mcps_aws_request_duration_seconds",
    kind="histogram",
    help="Seconds from a request's start to its answer.",
    labels={"operation": "as in `mcps_aws_requests_total`"},
    bound=9,
    buckets=CALL_BUCKETS,
)
WRITES = Declared(
    name="mcps_aws_writes_total",
    kind="counter",
    help="Writes to AWS that were tried, by why: an object's first target (`create`), an `edit` of its spec, "
    "a change or deletion outside (`drift`), the `repair` of a failed target, a `move` to another gateway, "
    "the indexing of tools (`resync`), the `adoption` of a target, an object's end (`delete`), a second "
    "target with one marker (`duplicate`).",
    labels={"operation": "`create`, `update`, `delete`, `synchronize`", "cause": "as said"},
    bound=12,
)
QUEUE_DEPTH = Declared(
    name="mcps_aws_queue_depth",
    kind="gauge",
    help="Objects and gateways that wait for their turn within the quota.",
    labels={"operation": _OP, "lane": _LANE},
    bound=14,
)
QUEUE_AGE = Declared(
    name="mcps_aws_queue_age_seconds",
    kind="gauge",
    help="How long the longest of them has waited, in seconds.",
    labels={"lane": _LANE},
    bound=2,
)
RATE_LIMIT = Declared(
    name="mcps_aws_rate_limit",
    kind="gauge",
    help="Calls per second allowed at present: a little below the quota, less after throttling; none without "
    "a limit.",
    labels={"operation": _OP},
    bound=7,
)
CREDENTIALS_VALID = Declared(
    name="mcps_aws_credentials_valid",
    kind="gauge",
    help="1 when AWS accepted the credentials of the latest call that shows it, 0 when it did not, or there "
    "are none; absent before the first such call.",
)
CREDENTIALS_EXPIRY = Declared(
    name="mcps_aws_credentials_expiry_timestamp_seconds",
    kind="gauge",
    help="Unix time at which the credentials in use expire. A role's are renewed ten minutes "
    "before. None where the SDK knows of no end.",
)

# The process.

FENCE_SHUT = Declared(
    name="mcps_fence_shut_seconds",
    kind="gauge",
    help="How long nothing has been written to AWS although Lease and guard are held: their renewals "
    "fail, or take so long that they might end before a call does; 0 when all is well. `/readyz` fails "
    "meanwhile, and `/readyz?verbose` says why.",
)
GUARD = Declared(
    name="mcps_guard_leases",
    kind="gauge",
    help="Leases of the guard: one, or with `--watch-namespaces` one for each. `held`; `other` while another "
    "operator works there, and this one waits; `forbidden` where RBAC denies it and the work goes on "
    "without; `waiting` on replicas that do not lead.",
    labels={"state": "`waiting`, `held`, `other`, `forbidden`"},
    bound=4,
)
UNSERVED = Declared(
    name="mcps_unserved_fields",
    kind="gauge",
    help="How many of the spec's fields that hold the operator back (`managementPolicy`, `deletionPolicy`, "
    "`driftPolicy`, `adoptionPolicy`, `listingMode`, `privateEndpoint`, `gatewayRef`) the installed CRD does "
    "not have; 0 when all is well. `/readyz?verbose` names them.",
)
BUILD = Declared(
    name="mcps_build_info",
    kind="gauge",
    help="1, with what is running as labels.",
    labels={"version": "", "python": ""},
)
CERTIFICATE_READ = Declared(
    name="certwatcher_read_certificate_total",
    kind="counter",
    help="Certificates of the metrics server taken from their files.",
)
CERTIFICATE_ERRORS = Declared(
    name="certwatcher_read_certificate_errors_total",
    kind="counter",
    help="Certificates in the files that could not be used.",
)

OBJECT_METRICS: Final = (OBJECTS, OLDEST, TRANSITIONS, DRIFT_REPAIRS, FOUGHT_OVER)
GATEWAY_METRICS: Final = (
    *(GATEWAY_HEALTHY, GATEWAY_LISTED, GATEWAY_INTERVAL, GATEWAY_TARGETS, GATEWAY_OBJECTS, ORPHANED),
    *(UNREPORTED, DEFAULT_GATEWAY, TARGETS_LIMIT),
)
CLASS_METRICS: Final = (CLASSES, CLASS_OBJECTS, CLASSES_KNOWN)
AWS_METRICS: Final = (
    *(REQUESTS, REQUEST_SECONDS, WRITES, QUEUE_DEPTH, QUEUE_AGE, RATE_LIMIT),
    *(OUTAGES, CREDENTIALS_VALID, CREDENTIALS_EXPIRY),
)
PROCESS_METRICS: Final = (FENCE_SHUT, GUARD, UNSERVED, BUILD)
CERTIFICATE_METRICS: Final = (CERTIFICATE_READ, CERTIFICATE_ERRORS)
DECLARED: Final = (
    *OBJECT_METRICS,
    *GATEWAY_METRICS,
    *CLASS_METRICS,
    *AWS_METRICS,
    *PROCESS_METRICS,
    *CERTIFICATE_METRICS,
)
"""Every metric that is declared here."""
