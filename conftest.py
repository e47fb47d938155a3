"""What every test run needs before its first test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take Ctrl-C and the end of a terminal again where whoever began the tests had them ignored.

    An ignored signal is inherited by every process that a test starts (POSIX, exec), and those tests that
    send one would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
