"""`python -m agentcore_simulator`: the same as the command `agentcore-simulator`."""

from __future__ import annotations

from agentcore_simulator.command import main

if __name__ == "__main__":
    main()
