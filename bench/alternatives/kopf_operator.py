"""A minimal operator on kopf: a finalizer and one status write for each new MCPServer.

Runs in a virtual environment of its own that has kopf and nothing of this project; `throughput.py` and
`watch_faults.py` start it. Settings come from the environment:

    KUBECONFIG   the cluster
    POLLS        how often an object asks to be looked at again, a second later, before it is READY
    TUNED        1: logs from WARNING on, at most 100 workers that leave soon, lists in pages of 500
    TELL         1: print what is seen, for `watch_faults.py`
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import kopf  # type: ignore[import-not-found,unused-ignore]  # lives in the scratch environment only

RESOURCE = ("mcpgateway.bedrock.aws", "v1alpha1", "mcpservers")
POLLS = int(os.environ.get("POLLS", "0"))
TUNED = os.environ.get("TUNED") == "1"
TELL = os.environ.get("TELL") == "1"


def configure(settings: Any, **_: Any) -> None:
    """Apply our finalizer's name and, if asked to, what kopf offers to make it lighter."""
    settings.persistence.finalizer = "bedrock.aws/gateway-target-finalizer"
    if TUNED:
        settings.queueing.worker_limit = 100
        # A worker holds its place for as long after its object's last event; by default for 5 s.
        settings.queueing.idle_timeout = 0.1
        settings.watching.chunk_size = 500


async def created(name: str, patch: Any, retry: int, **_: Any) -> None:
    """Report READY, after the polls."""
    if retry < POLLS:
        raise kopf.TemporaryError("not READY yet", delay=1)
    patch.status["targetStatus"] = "READY"
    if TELL:
        print("saw", name, flush=True)


async def deleted(**_: Any) -> None:
    """Make kopf add its finalizer: it does so only where there is something to do at the end."""


async def ticking(name: str, **_: Any) -> None:
    """Show that kopf still works on an object."""
    print("tick", name, flush=True)


async def event(type: str, name: str, **_: Any) -> None:  # noqa: A002  -- kopf's name for it
    """Tell of objects that are gone."""
    if type == "DELETED":
        print("gone", name, flush=True)


def main() -> None:
    """Register the handlers and run."""
    # `kopf run` logs from INFO on: two lines for each object here.
    logging.basicConfig(level=logging.WARNING if TUNED or TELL else logging.INFO)
    kopf.on.startup()(configure)
    kopf.on.create(*RESOURCE)(created)
    kopf.on.delete(*RESOURCE)(deleted)
    if TELL:
        kopf.on.event(*RESOURCE)(event)
        kopf.timer(*RESOURCE, interval=1)(ticking)
    asyncio.run(kopf.operator(clusterwide=True, standalone=True))


if __name__ == "__main__":
    main()
