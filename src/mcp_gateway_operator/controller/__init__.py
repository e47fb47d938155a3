"""One pass for one MCPServer: load, plan, perform, report."""
