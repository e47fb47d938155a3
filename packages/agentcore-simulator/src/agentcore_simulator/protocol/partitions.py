"""AWS's partitions (commercial, GovCloud, China, ...), as botocore knows them, and the ARNs in them."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from botocore.loaders import Loader


class Partition(NamedTuple):
    """What of a Region's partition shows in names."""

    id: str
    """Second part of an ARN."""
    domain: str
    """What host names of AWS services end in."""


@functools.lru_cache(maxsize=256)
def partition_of(region: str) -> Partition:
    """The partition of a Region; the commercial one for a Region that AWS does not have."""
    for pattern, partition in _known():
        if pattern.match(region):
            return partition
    return _known()[0][1]


def arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN of something in a Region."""
    return f"arn:{partition_of(region).id}:{service}:{region}:{account}:{resource}"


def iam_arn(region: str, account: str, resource: str) -> str:
    """The ARN of something of IAM, which has no Region, as it is called from `region`."""
    return f"arn:{partition_of(region).id}:iam::{account}:{resource}"


@functools.cache
def _known() -> list[tuple[re.Pattern[str], Partition]]:
    """Patterns of Region names; the commercial partition comes first."""
    return [
        (re.compile(found["regionRegex"]), Partition(found["id"], found["outputs"]["dnsSuffix"]))
        for found in Loader().load_data("partitions")["partitions"]
    ]
