"""lightkube's own watch with an error handler that always retries: prints what it sees.

`watch_faults.py` starts it with KUBECONFIG set.
"""

from __future__ import annotations

import asyncio

# lightkube lives in the scratch environment only.
from lightkube import ALL_NS, AsyncClient  # type: ignore[import-not-found,import-untyped,unused-ignore]
from lightkube.generic_resource import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    GenericNamespacedResource,
    create_namespaced_resource,
)
from lightkube.types import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    OnErrorAction,
    OnErrorResult,
)

MCPServer = create_namespaced_resource("mcpgateway.bedrock.aws", "v1alpha1", "MCPServer", "mcpservers")


def retry(error: Exception, count: int) -> OnErrorResult:
    """Say what happened and go on after a second."""
    print("error", count, type(error).__name__, flush=True)
    return OnErrorResult(OnErrorAction.RETRY, sleep=1.0)


def tell(what: str, obj: GenericNamespacedResource) -> None:
    """Print what happened to an object."""
    assert obj.metadata is not None, "every object that a server sends has metadata"
    print(what, obj.metadata.name, flush=True)


async def run() -> None:
    """List, then watch from the list's version, as lightkube's documentation shows."""
    client = AsyncClient()
    listed = client.list(MCPServer, namespace=ALL_NS)
    async for obj in listed:
        tell("saw", obj)
    watch = client.watch(MCPServer, namespace=ALL_NS, resource_version=listed.resourceVersion, on_error=retry)
    async for kind, obj in watch:
        tell("gone" if kind == "DELETED" else "saw", obj)


if __name__ == "__main__":
    asyncio.run(run())
