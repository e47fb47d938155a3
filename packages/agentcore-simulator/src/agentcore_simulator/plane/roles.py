"""Roles of accounts: who may assume them, and what their sessions may do. No policy language: lists."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from agentcore_simulator.settings import AccountId, Seconds

RoleName = Annotated[str, msgspec.Meta(pattern=r"^([\x21-\x7e]+/)?[A-Za-z0-9_+=,.@-]{1,64}$", max_length=512)]
_Principal = Annotated[str, msgspec.Meta(pattern=r"^(\*|[0-9]{12}|arn:[^*]+)$")]
_SERVICE = "bedrock-agentcore"

Verdict = Literal["allowed", "denied", "not allowed"]
"""Of an action: allowed, denied by an explicit entry, or only not allowed by any."""


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One IAM role. A new one may be assumed by everybody, for an hour, and may do everything."""

    name: RoleName
    """Name, with its path if it has one ("team/operator")."""
    account: AccountId = ""
    """"" stands for the account of the settings."""
    id: str = ""
    """Filled in when the role is made (AROA...)."""
    denied: bool = False
    """Nobody may assume it, whoever it trusts; sessions that run go on."""
    trust: tuple[_Principal, ...] = ("*",)
    """Who may assume it: "*", an account, or the ARN of a role, user, session, account root or, for web
    identities, OIDC provider."""
    external_id: str | None = None
    """The ExternalId that AssumeRole has to bring."""
    session_tags: dict[str, str] = {}
    """Tags that AssumeRole has to bring: shell globs of values by key."""
    tag_keys: tuple[str, ...] | None = None
    """Keys of the only tags that AssumeRole may bring; null for any (sts:TagSession)."""
    allow: tuple[str, ...] = ("*",)
    """Actions that its sessions may do, as shell globs: "GetGateway", "bedrock-agentcore:*", "sts:*"."""
    deny: tuple[str, ...] = ()
    """Actions that they may not, whatever is allowed."""
    max_session: Annotated[int, msgspec.Meta(ge=3600, le=43_200)] = 3600
    """Seconds that AssumeRole may ask for (MaxSessionDuration)."""
    session_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None
    """How long sessions live at most, whatever was asked for: less than AWS allows, for tests of renewal."""

    @property
    def short_name(self) -> str:
        """The name without its path; unique in the account."""
        return self.name.rsplit("/", 1)[-1]

    def verdict(self, action: str) -> Verdict:
        """Whether a session may do `action` ("bedrock-agentcore:GetGateway")."""
        if _among(action, self.deny):
            return "denied"
        return "allowed" if _among(action, self.allow) else "not allowed"


class RoleChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Something that becomes of a role later on."""

    name: str
    """Name of the role."""
    account: AccountId = ""
    after: Seconds
    """Seconds from now."""
    edit: dict[str, Any] = {}
    """Members of the role to replace."""
    end_sessions: bool = False
    """Let its running sessions expire."""
    delete: bool = False
    at: float | None = None
    """When that is (epoch seconds); filled in."""


class Roles:
    """The roles that were made, by account and name.

    An account of which a role was ever made has no others. In the other accounts every role exists, may be
    assumed by everybody and do everything.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Role]] = {}
        self.changes: list[RoleChange] = []
        """What becomes of roles later on."""

    def put(self, role: Role) -> None:
        """Add a role, or replace the one of its name."""
        self.accounts.setdefault(role.account, {})[role.short_name] = role

    def get(self, account: str, name: str) -> Role | None:
        """The role of that name (without path)."""
        return self.accounts.get(account, {}).get(name)

    def remove(self, role: Role) -> None:
        """Take a role away; its account remembers that it had one."""
        del self.accounts[role.account][role.short_name]

    def governs(self, account: str) -> bool:
        """Whether only roles that were made exist in `account`."""
        return account in self.accounts

    def __iter__(self) -> Iterator[Role]:
        return (role for roles in self.accounts.values() for role in roles.values())


@functools.lru_cache(maxsize=4096)
def _among(action: str, patterns: tuple[str, ...]) -> bool:
    # IAM compares actions without regard to case; one without a service is AgentCore's.
    return any(
        pattern == "*"
        or fnmatchcase(action.lower(), (pattern if ":" in pattern else f"{_SERVICE}:{pattern}").lower())
        for pattern in patterns
    )
