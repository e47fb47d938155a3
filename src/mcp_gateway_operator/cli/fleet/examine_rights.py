"""`doctor` on rights: the caller's and the operator's, in the cluster verb by verb, and at AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from mcp_gateway_operator.agentcore.aws import new_session
from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.controller.operator import OWNER_NAMESPACE
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, Resource
from mcp_gateway_operator.shown import counted, shown

ACTIONS: Final = (
    "CreateGatewayTarget",
    "UpdateGatewayTarget",
    "DeleteGatewayTarget",
    "GetGatewayTarget",
    "ListGatewayTargets",
    "SynchronizeGatewayTargets",
    "GetGateway",
)
"""What the operator's role needs at AWS (docs/SETUP.md)."""
_SELF: Final = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
_OTHERS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
_LEASES: Final = "coordination.k8s.io"
_REQUESTS: Final = re.compile(
    r'^mcps_aws_requests_total\{(?=[^}]*\boperation="(\w+)")(?=[^}]*\bcode="([^"]*)")[^}]*\} (\S+)',
    re.MULTILINE,
)
_DENIED: Final = "AccessDenied"


class Need(NamedTuple):
    """One right: API group, resource (and subresource), verb, and name or namespace where it is narrower."""

    group: str
    resource: str
    verb: str
    name: str = ""
    namespace: str = ""

    @property
    def title(self) -> str:
        """The right as `kubectl auth can-i` takes it."""
        where = f" in {self.namespace}" if self.namespace else "" if self.name else ", in all namespaces"
        return f"{self.verb} {self.resource} {self.name}".rstrip() + where


CALLERS: Final = (
    *(Need(names.GROUP, names.PLURAL, verb) for verb in ("get", "list", "watch", "patch")),
    Need("", "namespaces", "get", OWNER_NAMESPACE),
    Need(names.GROUP, names.CLASS_PLURAL, "list"),
)
"""What these commands need; `patch` is for retry, pause, resume, sync."""


def operators_needs(namespace: str) -> tuple[Need, ...]:
    """Return what the operator's ServiceAccount needs (config/rbac), by the namespace where its Lease is."""
    guard = f"namespace-{names.GUARD_NAME}"
    return (
        *(Need(names.GROUP, names.PLURAL, verb) for verb in ("get", "list", "watch", "patch")),
        Need(names.GROUP, f"{names.PLURAL}/status", "patch"),
        *(Need(names.GROUP, names.CLASS_PLURAL, verb) for verb in ("list", "watch", "patch")),
        Need(names.GROUP, f"{names.CLASS_PLURAL}/status", "patch"),
        *(Need("", "namespaces", verb) for verb in ("list", "watch")),
        Need("", "namespaces", "get", OWNER_NAMESPACE),
        *(Need("", "events", verb) for verb in ("create", "patch")),
        Need(_LEASES, "leases", "list", guard),
        Need(_LEASES, "leases", "create", namespace=namespace),
        *(Need(_LEASES, "leases", verb, names.LEASE_NAME, namespace) for verb in ("get", "update")),
        Need(_LEASES, "leases", "create", namespace=OWNER_NAMESPACE),
        *(Need(_LEASES, "leases", verb, names.GUARD_NAME, OWNER_NAMESPACE) for verb in ("get", "update")),
    )


async def callers(cluster: Cluster, needs: Sequence[Need]) -> list[Finding]:
    """Return which rights the caller has."""
    return [await _caller(cluster, need) for need in needs]


async def _caller(cluster: Cluster, need: Need) -> Finding:
    try:
        allowed = await _review(cluster, _SELF, "SelfSubjectAccessReview", need, {})
    except ApiError as error:
        return Finding(ok=None, what=f"Whether you may {need.title} is not known: {shown(error.message)}")
    if allowed:
        return Finding(ok=True, what=f"You may {need.title}.")
    owner, classes = need.resource == "namespaces", need.resource == names.CLASS_PLURAL
    role = "mcpgateway-viewer-role" if classes else "mcpserver-viewer-role"
    role = "mcpserver-editor-role" if need.verb == "patch" else role
    return Finding(
        ok=None if classes else False,
        what=f"You may not {need.title}.",
        why="Its uid marks this cluster's targets." if owner else "Without it these commands see a part.",
        do="give --owner-id, the same as the operator's" if owner else f"ask for the ClusterRole {role}",
    )


async def operators(cluster: Cluster, account: str) -> list[Finding]:
    """Return which rights the operator's ServiceAccount, NAMESPACE/NAME, lacks; one finding where none."""
    namespace, _, name = account.partition("/")
    user = {
        "user": f"system:serviceaccount:{namespace}:{name}",
        "groups": [
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        ],
    }
    found: list[Finding] = []
    needs = operators_needs(namespace)
    for need in needs:
        try:
            allowed = await _review(cluster, _OTHERS, "SubjectAccessReview", need, user)
        except ApiError as error:
            return [
                Finding(
                    ok=None,
                    what=f"The rights of ServiceAccount {account} are not known: {shown(error.message)}",
                    do="ask for create on subjectaccessreviews.authorization.k8s.io",
                )
            ]
        if not allowed:
            place = f" -n {need.namespace}" if need.namespace else "" if need.name else " -A"
            what = f"{need.resource}.{need.group}" if need.group else need.resource
            found.append(
                Finding(
                    ok=False,
                    what=f"ServiceAccount {account} may not {need.title}.",
                    why="Without it the operator waits, or works without what it is for.",
                    do=f"apply config/rbac or the chart again; kubectl auth can-i {need.verb} {what} "
                    f"{need.name}{place} --as {user['user']}".replace("  ", " "),
                )
            )
    return found or [Finding(ok=True, what=f"ServiceAccount {account} has all its {len(needs)} rights.")]


async def _review(cluster: Cluster, resource: Resource, kind: str, need: Need, user: dict[str, Any]) -> bool:
    plain, _, below = need.resource.partition("/")
    attributes = {"group": need.group, "resource": plain, "verb": need.verb, "name": need.name}
    attributes |= {"subresource": below, "namespace": need.namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "spec": {"resourceAttributes": {name: text for name, text in attributes.items() if text}, **user},
    }
    answer = msgspec.json.decode(await cluster.create(resource, None, body))
    return bool(answer["status"].get("allowed"))


def at_aws_by_answers(metrics: str) -> Iterator[Finding]:
    """Yield how AWS has answered the operator, action by action, as its metrics count it."""
    counts: dict[str, dict[str, float]] = {}
    for operation, code, count in _REQUESTS.findall(metrics):
        counts.setdefault(operation, {})[code] = float(count)
    for action in ACTIONS:
        found = counts.get(action, {})
        denied = sum(count for code, count in found.items() if code.startswith(_DENIED))
        if denied:
            yield Finding(
                ok=False,
                what=f"AWS has denied the operator {action} {counted(int(denied), 'time')} since it started.",
                why="What needs the action does not happen.",
                do=f"allow bedrock-agentcore:{action} (docs/iam/policy.json)",
            )
        elif found.get("OK"):
            yield Finding(ok=True, what=f"AWS lets the operator {action}.")
        else:
            yield Finding(
                ok=None, what=f"Whether AWS lets the operator {action} is not known: it has not tried."
            )


def at_aws_by_simulation(role: str, gateways: Sequence[str], region: str) -> Iterator[Finding]:
    """Yield what IAM's simulator says of a role's policies.

    Args:
        role: its ARN.
        gateways: ARNs of the gateways; none means any.
        region: where IAM is called from.
    """
    asked: dict[str, Any] = {"ResourceArns": list(gateways)} if gateways else {}
    try:
        client = new_session(None).create_client("iam", region_name=region)
        answer = client.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[f"bedrock-agentcore:{each}" for each in ACTIONS], **asked
        )
    except (BotoCoreError, ClientError) as error:
        yield Finding(
            ok=None,
            what=f"What the policies of {role} allow is not known: {shown(str(error))}",
            do="ask for iam:SimulatePrincipalPolicy on the role",
        )
        return
    for each in answer.get("EvaluationResults", ()):
        allowed = each["EvalDecision"] == "allowed"
        action, where = each["EvalActionName"], each.get("EvalResourceName", "*")
        yield Finding(
            ok=allowed,
            what=f"The policies of the role {'allow' if allowed else 'do not allow'} {action} on {where}.",
            why="" if allowed else "What needs the action does not happen.",
            do="" if allowed else f"allow {action} (docs/iam/policy.json)",
        )
