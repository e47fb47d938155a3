"""Tests of the AWS side without AWS."""
