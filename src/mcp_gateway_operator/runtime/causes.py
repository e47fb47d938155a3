"""What goes wrong for a while, cause by cause: said once when it begins and once when it ends.

However many objects or gateways a cause concerns, and however often they meet it, the log has one line of its
begin and one of its end, and so have the Events, which people see who do not read logs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Literal

import structlog

log = structlog.get_logger(__name__)

Tell = Callable[[Literal["Normal", "Warning"], str, str], None]
"""Makes an Event: its type, reason and message."""


@dataclass(slots=True)
class _Cause:
    message: str
    """What was said when it began, and is over in the end."""
    about: dict[Hashable, str] = field(default_factory=dict)
    """What it concerns at present, each with what is wrong with that."""


class Causes:
    """The causes that hold at present, by their reason.

    Args:
        tell: makes the Events, nothing when nobody is to get any.
    """

    def __init__(self, tell: Tell = lambda _type, _reason, _message: None) -> None:
        self._tell = tell
        self._causes: dict[str, _Cause] = {}

    def begin(self, reason: str, about: Hashable, sentence: str) -> None:
        """Note that a cause concerns something, which no other one concerns from now on; the first is told.

        Args:
            reason: the cause, as conditions and Events name it.
            about: what it concerns.
            sentence: what is wrong, and what to do about it.
        """
        others = [each for each, cause in self._causes.items() if each != reason and about in cause.about]
        new = reason not in self._causes
        cause = self._causes.setdefault(reason, _Cause(sentence))
        cause.about[about] = sentence
        if new:
            log.error(sentence, reason=reason, concerns=str(about))
            self._tell("Warning", reason, sentence)
        for each in others:
            self._leave(each, about)

    def end(self, about: Hashable) -> None:
        """Note that nothing is wrong any more with something; the last one of a cause is told."""
        for reason in [each for each, cause in self._causes.items() if about in cause.about]:
            self._leave(reason, about)

    def counts(self) -> dict[str, int]:
        """Return how many things each cause concerns."""
        return {reason: len(cause.about) for reason, cause in self._causes.items()}

    def note(self) -> str | None:
        """Return what is wrong at present, for people; None when nothing is."""
        parts = []
        for reason, cause in self._causes.items():
            # Of the first that it still concerns: what was told when it began may be in order again.
            parts.append(f"{reason} ({len(cause.about)}): {next(iter(cause.about.values()))}")
        return " ".join(parts) or None

    def _leave(self, reason: str, about: Hashable) -> None:
        cause = self._causes[reason]
        cause.about.pop(about, None)
        if not cause.about:
            del self._causes[reason]
            sentence = f"It is over: {cause.message}"
            # As visible as its begin: who logs warnings alone must not wait for it for ever.
            log.warning(sentence, reason=reason)
            self._tell("Normal", f"{reason}Over", sentence)
