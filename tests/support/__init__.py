"""What tests stand on: a clock that jumps, and an API server in memory."""
