"""What every test run needs before its first test."""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of the test. Where CI is set, Hypothesis has it so.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Take Ctrl-C and the end of a terminal again where whoever began the tests had them ignored.

    An ignored signal is inherited by every process that a test starts (POSIX, exec), and those tests that
    send one would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what the collector has to look at small: the tests themselves are a million objects that stay.

    Each `gc.collect()` of a test that weighs something took half a second over them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of integration tests evenly among those of unit tests.

    Those wait for processes, these compute: side by side they leave no core idle. The demo takes longest and
    comes first, else one worker would end with it alone.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [path for path in files if "integration" in path.parts]
    computing = [path for path in files if "integration" not in path.parts]
    items[:] = [item for path in _spread(waiting[::-1], computing) for item in files[path]]


def _spread(*queues: list[Path]) -> Iterable[Path]:
    """Return all in the order of their queues, each at its share of the way."""
    shares = [(number / len(queue), path) for queue in queues for number, path in enumerate(queue)]
    return [path for _, path in sorted(shares)]
