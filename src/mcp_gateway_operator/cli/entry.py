"""Where the installed programs begin: Ctrl-C ends them without a traceback, also while they are imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit status is the process's, 130 after Ctrl-C."""
    try:
        from mcp_gateway_operator.cli.main import main as run  # noqa: PLC0415  -- takes a tenth of a second

        run()
    except KeyboardInterrupt:
        sys.exit(130)
