"""A session of a role: what temporary credentials stand for."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session of a role, known by its access key."""

    account: str
    arn: str
    """arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, as GetCallerIdentity answers it."""
    expires: Annotated[float, msgspec.Meta(ge=0, le=2.52e11)]
    """Epoch seconds."""
    user_id: str = ""
    """AROA...:SESSION, as GetCallerIdentity answers it."""
    role: str = ""
    """ARN of the role."""
    role_id: str = ""
    """Id of the role, if it was one that somebody had made: a role of the same name has another."""
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    """Keys of the tags that sessions begun from this one inherit."""

    @property
    def name(self) -> str:
        """The role session name."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def role_name(self) -> str:
        """The name of the role, without its path."""
        return self.arn.split("/")[1]
