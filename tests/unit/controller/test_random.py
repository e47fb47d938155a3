"""Random stories end well. `Story(n)` alone repeats one that did not, and its log tells what happened."""

from __future__ import annotations

from tests.unit.controller.fuzz import Story

STORIES = range(40)


async def test_everything_converges_and_then_is_quiet(seed: int) -> None:
    story = Story(seed)
    try:
        await story.run()
    except BaseException as error:
        error.add_note("\n".join(story.log))
        raise
