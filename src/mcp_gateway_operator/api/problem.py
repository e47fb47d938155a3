"""What is wrong with a manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to correct.

    `path` names the field from the object's root, as the API server writes it (`spec.iam.service`,
    `spec.oauthScopes[2]`). `message` says what to write instead. With `across` several fields are at fault
    together, and `path` names one of them.
    """

    path: str
    message: str
    across: bool = False

    @property
    def field(self) -> str:
        """The field of the spec that it is about, for example `oauthScopes`."""
        return self.path.removeprefix("spec.").partition(".")[0].partition("[")[0]

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
