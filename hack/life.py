"""Count the files and functions of the operator that one object's life runs through, and its statements.

    .venv/bin/python hack/life.py [--list]

The life: an operator is up; an object is created and becomes READY, is edited, becomes READY again, is
deleted. It runs in virtual time over the simulator's engine, so that the count is the same each time. A
function is what has a name of its own or is a lambda; comprehensions are part of the function that they stand
in.
Statements are those of the syntax tree, logging aside.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "mcp_gateway_operator"
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")

sys.path.insert(0, str(ROOT))

from tests.support.virtual_time import run_virtual  # noqa: E402  -- works from any folder
from tests.support.world import World, clients  # noqa: E402  -- as above


class Trail:
    """Every function of the operator that is entered while it watches."""

    def __init__(self) -> None:
        self.functions: dict[Path, set[str]] = defaultdict(set)

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note one call; the signature is `sys.setprofile`'s."""
        code = frame.f_code
        path = Path(code.co_filename)
        if event != "call" or SOURCES not in path.parents or code.co_name in COMPREHENSIONS:
            return
        self.functions[path.relative_to(SOURCES)].add(f"{code.co_qualname}:{code.co_firstlineno}")


async def life(trail: Trail) -> None:
    """Let one object live, from its creation to its end."""
    world = World()
    async with world.operator():
        await world.pass_time(5)
        sys.setprofile(trail)
        try:
            await world.create()
            await world.until_ready()
            await world.edit(spec={"endpoint": "https://weather.example.com/v2/mcp"})
            await world.until_ready()
            await world.delete()
            await world.until(lambda: not world.exists())
        finally:
            sys.setprofile(None)


def statements() -> int:
    """Return how many statements the operator has, calls of the logger aside."""
    found = 0
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found += isinstance(node, ast.stmt) and not ast.unparse(node).startswith("log.")
    return found


def main() -> None:
    """Print the counts, and with `--list` what was counted."""
    trail = Trail()
    clients()
    run_virtual(life(trail))
    functions = sum(map(len, trail.functions.values()))
    print(f"files {len(trail.functions)}, functions {functions}, statements {statements()}")
    if "--list" in sys.argv:
        for path, names in sorted(trail.functions.items()):
            print(f"{path} {len(names)}: {' '.join(sorted(name.partition(':')[0] for name in names))}")


if __name__ == "__main__":
    main()
