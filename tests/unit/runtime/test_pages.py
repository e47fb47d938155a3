"""Pages of a list are bounded in bytes, whatever the objects are, and few where these are small."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.runtime.cluster import MAX_PAGE, Page
from mcp_gateway_operator.runtime.pages import BYTES, FIRST, MOST, pages
from tests.support.memory_cluster import MemoryApiServer
from tests.support.things import THINGS, thing


async def read(sizes: list[int]) -> list[Page]:
    """List things that have at least so many bytes each."""
    server = MemoryApiServer()
    server.serve(THINGS, "Thing")
    for number, size in enumerate(sizes):
        body = thing(f"n{number:05}")
        body["spec"]["text"] = "x" * size
        server.store.create(THINGS, "default", body)
    return [page async for page in pages(server.connect(), THINGS, namespace=None, seconds=60.0)]


@pytest.mark.parametrize("size", [10, 2_000, 30_000, 300_000, 1_400_000])
async def test_each_page_has_about_as_many_bytes_as_it_should(size: int) -> None:
    count = min(2000, 20 * BYTES // size)
    found = await read([size] * count)

    assert sum(len(page.items) for page in found) == count
    assert max(page.size for page in found) <= max(MAX_PAGE, 2 * size)
    # The first tells nothing yet; those behind it go by it.
    assert all(page.size <= max(1.2 * BYTES, 2 * size) for page in found[1:])
    assert all(len(page.items) <= MOST for page in found)


async def test_ten_thousand_usual_objects_take_hardly_more_pages_than_by_number() -> None:
    found = await read([1_500] * 10_000)

    assert len(found) <= 10_000 / MOST + 4
    assert len(found[0].items) == FIRST


async def test_large_objects_behind_small_ones_are_found_out_and_forgotten_again() -> None:
    found = await read([10] * 1000 + [1_400_000] * 20 + [10] * 1000)

    assert sum(len(page.items) for page in found) == 2020
    assert max(page.size for page in found) <= MAX_PAGE
    assert len(found) < 40
