"""Fixtures of tests in virtual time; a conftest imports them, and they hold for its folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import pytest
import structlog
from blockbuster import BlockBuster
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.support.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Use the loop whose clock jumps."""
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Fail a test that blocks the event loop."""
    blockbuster = BlockBuster()
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged at any level, as dictionaries; nothing is printed."""
    structlog.reset_defaults()
    with capture_logs(processors=[merge_contextvars]) as entries:
        yield entries
