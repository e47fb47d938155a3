"""Builds promtool for the tests of alerts and dashboard, from the Go modules pinned in `hack/promtool`.

python hack/promtool_program.py        builds it if it is missing, prints where it is
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gobuild import Program, build
from mcp_gateway_operator_demo.localcluster.gomodule import pinned
from mcp_gateway_operator_demo.localcluster.gotool import find_go
from mcp_gateway_operator_demo.localcluster.program_cache import (
    cache_root,
    file_lock,
    is_program,
    platform_key,
)

_MODULE = Path(__file__).resolve().parent / "promtool"
_PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"
# Rules and queries are tested without any service to discover targets with: half of the program.
_TAGS = ("remove_all_sd",)


def ensure_promtool(*, progress: Callable[[str], None]) -> Path:
    """Return promtool, building it when it is missing (three minutes on two free cores).

    Raises:
        BinariesUnavailableError: it could not be built; the text says why.
    """
    prometheus, wanted = pinned(_MODULE, "github.com/prometheus/prometheus"), pinned(_MODULE)
    home = cache_root() / f"promtool-{prometheus}-{platform_key()}"
    program = home / "promtool"
    if is_program(program):
        return program
    lock = cache_root() / "promtool.lock"
    with file_lock(lock, waiting=lambda: progress("Waiting for another process that builds promtool")):
        if not is_program(program):
            go = find_go(
                wanted, module=_MODULE, private=cache_root() / "go", progress=progress, environ=os.environ
            )
            progress(f"Building promtool {prometheus} from source, once: minutes, 54 MB in {home}")
            home.mkdir(parents=True, exist_ok=True)
            wanted_program = Program("promtool", _PACKAGE, {}, tags=_TAGS)
            build(wanted_program, module=_MODULE, go=go, target=home, progress=progress)
            go.dispose()
    return program


def main() -> int:
    """Build it and print where it is."""
    try:
        print(ensure_promtool(progress=lambda line: print(line, file=sys.stderr, flush=True)))
    except BinariesUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
