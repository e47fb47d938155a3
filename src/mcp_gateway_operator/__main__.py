"""`python -m mcp_gateway_operator`: the command line without the installed script."""

from __future__ import annotations

from mcp_gateway_operator.cli.entry import main

if __name__ == "__main__":
    main()
