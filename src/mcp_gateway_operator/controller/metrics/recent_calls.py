"""The last calls to AWS for each object, with AWS's ids of the requests: bounded, and for who asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from structlog.contextvars import get_contextvars

EACH: Final = 5
"""Calls kept of one object."""
OBJECTS: Final = 2_000
"""Objects of which calls are kept, those with the latest: 3 MB at most."""
LONGEST: Final = 64
"""Characters kept of a code and of an id."""

Key = tuple[str, str]


class Call(NamedTuple):
    """One call as it is shown."""

    at: datetime
    operation: str
    answer: str
    milliseconds: int
    request_id: str


class RecentCalls:
    """Kept while the process lives. Whose a call is says the pass that is bound to the task that makes it."""

    def __init__(self) -> None:
        self._calls: dict[Key, tuple[Call, ...]] = {}

    def note(self, call: Call) -> None:
        """Keep a call that has just ended, if it was made for an object."""
        bound = get_contextvars()
        if "namespace" not in bound or "name" not in bound:
            return
        key = str(bound["namespace"]), str(bound["name"])
        call = call._replace(answer=call.answer[:LONGEST], request_id=call.request_id[:LONGEST])
        self._calls[key] = (*self._calls.pop(key, ())[1 - EACH :], call)
        if len(self._calls) > OBJECTS:
            del self._calls[next(iter(self._calls))]

    def of(self, key: Key) -> tuple[Call, ...]:
        """Return the last calls for an object, the latest last."""
        return self._calls.get(key, ())
