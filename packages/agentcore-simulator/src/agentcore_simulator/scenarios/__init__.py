"""What shall go wrong: faults of calls, and what the service finds when it connects to a server."""
