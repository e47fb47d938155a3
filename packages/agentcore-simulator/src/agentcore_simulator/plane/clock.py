"""Time that can be stopped and moved on, over a clock that cannot."""

from __future__ import annotations

from collections.abc import Callable

LAST_MOMENT = 250_000_000_000.0
"""The latest time that can be reached, in epoch seconds: timestamps end with the year 9999."""


class Clock:
    """Epoch seconds: those of `base`, moved on by what `advance` added, or standing still."""

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._offset = 0.0
        self._frozen: float | None = None

    def __call__(self) -> float:
        """The present time."""
        return self._base() + self._offset if self._frozen is None else self._frozen

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen is not None

    def freeze(self) -> None:
        """Stop time; only `advance` moves it from now on."""
        self._frozen = self()

    def resume(self) -> None:
        """Let time run on from where it stands."""
        if self._frozen is not None:
            self._offset = self._frozen - self._base()
            self._frozen = None

    def reset(self) -> None:
        """Back to the time of `base`."""
        self._offset = 0.0
        self._frozen = None

    def advance(self, seconds: float) -> None:
        """Move time on.

        Raises:
            ValueError: `seconds` is negative, as time never goes back, or leads past `LAST_MOMENT`.
        """
        if not seconds >= 0:
            raise ValueError("Time only moves forward: advance by zero or more seconds.")
        if self() + seconds > LAST_MOMENT:
            raise ValueError("Time ends with the year 9892: advance by less.")
        if self._frozen is None:
            self._offset += seconds
        else:
            self._frozen += seconds
