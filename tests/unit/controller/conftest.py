"""Every asynchronous test here runs in virtual time, with blocking calls forbidden."""

from __future__ import annotations

import pytest

from tests.support.virtual_fixtures import logs, no_blocking_calls, pytest_asyncio_loop_factories
from tests.support.world import clients

__all__ = ["logs", "no_blocking_calls", "pytest_asyncio_loop_factories"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a long run tell more stories than `make test` has time for."""
    text = "random stories to tell in each test of them, as FIRST:END, instead of its own few"
    parser.addoption("--stories", metavar="FIRST:END", help=text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test of random stories its `STORIES`, or those that the command line asks for."""
    stories = getattr(metafunc.module, "STORIES", None)
    if stories is not None and "seed" in metafunc.fixturenames:
        asked = metafunc.config.getoption("stories", None)
        metafunc.parametrize("seed", range(*map(int, asked.split(":"))) if asked else stories)


@pytest.fixture(autouse=True, scope="session")
def _clients() -> None:
    """Make them before the loop is watched: botocore reads its models, the simulator's engine too."""
    clients()
