"""Every asynchronous test here runs in virtual time, with blocking calls forbidden."""

from __future__ import annotations

from tests.support.virtual_fixtures import logs, no_blocking_calls, pytest_asyncio_loop_factories

__all__ = ["logs", "no_blocking_calls", "pytest_asyncio_loop_factories"]
