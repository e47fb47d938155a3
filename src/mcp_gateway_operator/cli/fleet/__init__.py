"""Commands about many MCPServers: they read with the caller's credentials and never write to AWS."""
