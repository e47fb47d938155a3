"""Second and third edits during a move end well, whatever is lost. `Edits(n)` alone repeats one."""

from __future__ import annotations

from tests.unit.controller.edits import Edits
from tests.unit.controller.telling import tell

STORIES = range(20)


async def test_no_edit_loses_a_target(seed: int) -> None:
    await tell(Edits(seed))
