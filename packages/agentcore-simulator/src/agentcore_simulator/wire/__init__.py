"""How requests reach the engine: over HTTP, or straight from botocore in the same process."""
