"""Every asynchronous test here runs in virtual time, with blocking calls forbidden."""

from __future__ import annotations

import pytest

from tests.support.virtual_fixtures import logs, no_blocking_calls, pytest_asyncio_loop_factories
from tests.support.world import clients

__all__ = ["logs", "no_blocking_calls", "pytest_asyncio_loop_factories"]


@pytest.fixture(autouse=True, scope="session")
def _clients() -> None:
    """Make them before the loop is watched: botocore reads its models, the simulator's engine too."""
    clients()
