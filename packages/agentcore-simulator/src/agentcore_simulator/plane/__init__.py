"""The control plane: gateways, targets, and what each operation does with them."""

from __future__ import annotations

from agentcore_simulator.plane.calls import Call
from agentcore_simulator.plane.clock import Clock
from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.gateway_ops import add_gateway, set_policy_engine
from agentcore_simulator.plane.lifecycle import (
    authorization_url,
    finish_consent,
    finish_probe,
    force_status,
    resume_gateway,
    resume_target,
    vanish_target,
)
from agentcore_simulator.plane.operations import OPERATIONS
from agentcore_simulator.plane.resources import (
    BUSY,
    DELETING,
    PENDING_AUTH,
    TARGET_STATUSES,
    Consent,
    Gateway,
    Region,
    Target,
    traits_of,
)
from agentcore_simulator.plane.roles import Role, RoleChange, Roles, Verdict
from agentcore_simulator.plane.target_ops import REPLACEABLE, add_target
from agentcore_simulator.plane.tokens import Remembered
from agentcore_simulator.plane.views import full_gateway, full_target, stamp

__all__ = [
    "BUSY",
    "DELETING",
    "OPERATIONS",
    "PENDING_AUTH",
    "REPLACEABLE",
    "TARGET_STATUSES",
    "Call",
    "Clock",
    "Consent",
    "ControlPlane",
    "Gateway",
    "Region",
    "Remembered",
    "Role",
    "RoleChange",
    "Roles",
    "Target",
    "Verdict",
    "add_gateway",
    "add_target",
    "authorization_url",
    "finish_consent",
    "finish_probe",
    "force_status",
    "full_gateway",
    "full_target",
    "resume_gateway",
    "resume_target",
    "set_policy_engine",
    "stamp",
    "traits_of",
    "vanish_target",
]
