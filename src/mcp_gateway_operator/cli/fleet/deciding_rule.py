"""Which rule decides for a state: the decision is made again, and each function that gives it on is noted."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.plan import plan

_RULES: Final = Path(sys.modules[plan.__module__].__file__ or "").parent
"""Where the rules are, in `rules`, and `plan`, which asks them."""
_SHARED: Final = ("rules/awaited_reads.py", "rules/retries.py")


def deciding_rule(state: State) -> str:
    """Return the rule that decides, as `rules/creation.py: plan_creation`: docs/rules.md has them all.

    A decision is a pure function of the state, so making it again changes nothing.
    """
    returned: list[tuple[str, str, Any]] = []
    within = str(_RULES)

    def note(frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if event == "return" and value is not None and code.co_filename.startswith(within):
            returned.append((Path(code.co_filename).relative_to(_RULES).as_posix(), code.co_name, value))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        decision = plan(state)
    finally:
        sys.setprofile(before)
    # The innermost comes first. What several rules ask alike, as whether a failed call may be made again,
    # says less than who asks it.
    found = [(file, name) for file, name, value in returned if value is decision]
    file, rule = next((each for each in found if each[0] not in _SHARED), found[0])
    return f"{file}: {rule}"
