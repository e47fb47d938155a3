"""Controller machinery that knows nothing of MCP or AWS."""
