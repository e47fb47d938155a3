"""One pass for one MCPServer: gather, plan, perform, tell."""
