"""The AWS side: a port, botocore behind it, quotas, observers, and all of it for several accounts."""
