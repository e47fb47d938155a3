"""The AWS side: port, boto3 adapter, error taxonomy, quota scheduler, observer."""
