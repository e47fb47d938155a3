"""A list in pages that are bounded in bytes, however large its objects are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, Page, Resource

FIRST: Final = 50
"""Objects in the first page, of which nothing is known yet."""
MOST: Final = 500
"""Objects in a page, as client-go asks for."""
BYTES: Final = 2 * 1024 * 1024
"""What a page should have, going by the objects of the one before: 500 usual ones have less."""
GROWTH: Final = 4


async def pages(
    cluster: Cluster, resource: Resource, *, namespace: str | None, seconds: float, whole: bool = False
) -> AsyncIterator[Page]:
    """Yield a consistent list page by page.

    Args:
        cluster: where the objects are.
        resource: what they are.
        namespace: of which, None for all.
        seconds: for one page.
        whole: ask for everything at once first.

    Raises:
        ApiError: a page cannot be had; `gone` when the server compacted faster than pages were read.
        TimeoutError: one took too long.
    """
    limit, token = (0 if whole else FIRST), ""
    while True:
        try:
            async with asyncio.timeout(seconds):
                page = await cluster.list(resource, namespace=namespace, limit=limit, continue_token=token)
        except ApiError as error:
            if not error.too_long or limit == 1:
                raise
            limit = max(1, (limit or MOST) // GROWTH)
            continue
        yield page
        token = page.continue_token
        if not token:
            return
        fitting = BYTES * len(page.items) // max(1, page.size)
        limit = max(1, min(MOST, GROWTH * (limit or MOST), fitting))
