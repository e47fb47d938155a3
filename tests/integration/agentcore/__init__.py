"""Tests of the botocore adapter over real sockets."""
