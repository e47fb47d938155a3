"""Who has to act when an MCPServer is not Ready, and the command that does it."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.debug import OPERATORS
from mcp_gateway_operator.cli.fleet.view import NOT_SEEN, line_of

PLATFORM: Final = "whoever runs the operator"
AUTHOR: Final = "the object's author"
_NAMED: Final = "whoever the message names"


class Act(NamedTuple):
    """What helps: who does it, the command, and what else there is to say.

    Attributes:
        command: with fields of `acts_for`, "" where there is nothing to be typed.
    """

    who: str
    command: str = ""
    note: str = ""


def _patch(spec: str) -> str:
    """Return the command that sets a field of the spec, given as JSON."""
    doubled = spec.replace("{", "{{").replace("}", "}}")
    return f"kubectl patch mcpserver {{name}} -n {{namespace}} --type=merge -p '{{{{\"spec\":{doubled}}}}}'"


_EDIT: Final = "kubectl edit mcpserver {name} -n {namespace}"
_RETRY: Final = "mcps retry {name} -n {namespace}"
NOBODY: Final = Act("nobody: it goes on by itself")
ACTS: Final = {
    NOT_SEEN: Act(PLATFORM, f"kubectl get pods -A -l '{OPERATORS}'", "Is one there, and Ready?"),
    Reason.READY: Act("nobody: all is as it should be"),
    Reason.VALIDATION_ERROR: Act(AUTHOR, _EDIT, "Correct the fields that the message names."),
    Reason.CONFIGURATION_ERROR: Act(AUTHOR, _patch('{"gatewayId":"GATEWAY"}')),
    Reason.TARGET_FAILED: Act("whoever runs the MCP server", _RETRY, "Type that once the server answers."),
    Reason.PENDING_AUTHORIZATION: Act(
        "a person who may consent",
        "kubectl get mcpserver {name} -n {namespace} -o jsonpath='{{.status.authorizationUrl}}'",
        "Open that address in a browser.",
    ),
    Reason.NAME_CONFLICT: Act(AUTHOR, _patch('{"targetName":"ANOTHER-NAME"}')),
    Reason.DUPLICATE_MARKER: Act(
        "the gateway's owner", "mcps doctor", "It names both targets; delete the one that nobody needs."
    ),
    Reason.FOREIGN_MARKER: Act("the gateway's owner", "mcps owner {target}", "It says whose the target is."),
    Reason.GATEWAY_FULL: Act(
        "the gateway's owner", "mcps orphans --gateway {gateway}", "Or have AWS raise the quota."
    ),
    Reason.GATEWAY_NOT_FOUND: Act(AUTHOR, _patch('{"gatewayId":"GATEWAY"}'), "Name one that exists."),
    Reason.REFERENCE_NOT_FOUND: Act(AUTHOR, _EDIT, "Correct what the message names, or make it in AWS."),
    Reason.DRIFTED: Act(
        AUTHOR, _patch('{"driftPolicy":"Repair"}'), "Or find who else writes to the target, and stop that."
    ),
    Reason.NOT_CONVERGING: Act(AUTHOR, _EDIT, "Write what AWS keeps: the message shows both."),
    Reason.NOT_PERMITTED: Act("whoever may change the MCPGateway", "kubectl edit mcpgateway {class_}"),
    Reason.ROLE_REFUSED: Act(
        "whoever may change the MCPGateway or its role",
        "kubectl describe mcpgateway {class_}",
        "Its condition Ready says what STS answers (docs/tenancy.md).",
    ),
    Reason.WRONG_ACCOUNT_OR_REGION: Act(
        PLATFORM, "mcps doctor", "Set --aws-region and its credentials: the message names both places."
    ),
    Reason.ACCESS_DENIED: Act(
        PLATFORM, "mcps doctor --role-arn ROLE-ARN", "Allow what the message names (docs/iam/policy.json)."
    ),
    Reason.DENIED_BY_POLICY: Act(
        "whoever keeps the policies of the AWS organization",
        "mcps doctor --role-arn ROLE-ARN",
        "Change the policy that the message names: another that allows the action does not help.",
    ),
    Reason.GATEWAY_ROLE_DENIED: Act(
        "the gateway's owner",
        "aws bedrock-agentcore-control get-gateway --gateway-identifier {gateway}",
        "Its roleArn is the role that lacks a right, or that bedrock-agentcore.amazonaws.com may not assume.",
    ),
    Reason.REGION_DISABLED: Act(
        PLATFORM, "aws account enable-region --region-name REGION", "Or have the service enabled there."
    ),
    Reason.CREDENTIALS_REFUSED: Act(PLATFORM, "mcps doctor", "Renew the operator's AWS credentials."),
    Reason.SIGNATURE_REFUSED: Act(
        PLATFORM, "mcps doctor", "Set the clock of the operator's node, or correct its secret key."
    ),
    Reason.PAUSED: Act("whoever paused it", "mcps resume {name} -n {namespace}"),
    Reason.OBSERVED: Act(
        "nobody, unless it is to be managed",
        _patch('{"managementPolicy":"Manage"}'),
        "What would be done then is in the message above.",
    ),
    Reason.CREATION_ERROR: Act(_NAMED, _EDIT, "Where the message asks for nothing in the spec: " + _RETRY),
    Reason.UPDATE_ERROR: Act(_NAMED, _EDIT, "Where the message asks for nothing in the spec: " + _RETRY),
    Reason.DELETION_ERROR: Act(_NAMED, _RETRY, "Or leave the target in AWS: spec.deletionPolicy Retain."),
}
"""By the reason of Ready; of every other reason nobody."""


def acts_for(obj: MCPServer, gateway: str) -> Act:
    """Return who has to act for an object, the command filled in.

    Args:
        obj: the object.
        gateway: the id of its gateway, "" where it has none.
    """
    line = line_of(obj)
    act = ACTS.get(line.reason, NOBODY)
    placed = obj.status.placed_by
    fields = {
        "name": line.name,
        "namespace": line.namespace,
        "target": line.target_id or "TARGET",
        "gateway": gateway or "GATEWAY",
        "class_": obj.spec.class_name or (placed.class_ if placed is not None else "") or "NAME",
    }
    return Act(act.who, act.command.format(**fields), act.note.format(**fields))
