"""Random stories end well. `Story(n)` alone repeats one that did not, and its log tells what happened."""

from __future__ import annotations

from tests.unit.controller.fuzz import Story
from tests.unit.controller.telling import tell

STORIES = range(40)


async def test_everything_converges_and_then_is_quiet(seed: int) -> None:
    await tell(Story(seed))
