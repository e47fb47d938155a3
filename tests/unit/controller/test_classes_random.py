"""Random stories of MCPGateways: nothing reaches a gateway that was not permitted, and peace mends all.

`Story(n)` alone repeats one, and its log tells what happened.
"""

from __future__ import annotations

from tests.unit.controller.class_stories import Story
from tests.unit.controller.telling import tell

STORIES = range(6)


async def test_nothing_is_sent_that_is_not_permitted_and_in_peace_all_comes_to_its_end(seed: int) -> None:
    await tell(Story(seed))
