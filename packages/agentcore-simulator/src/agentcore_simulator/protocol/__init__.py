"""Reading a request: the service's own model, its checks, who calls, and the log of it."""
