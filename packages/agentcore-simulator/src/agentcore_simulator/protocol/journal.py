"""The request log and the counts of calls: what tests assert call budgets with. Both are bounded."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import msgspec

_MAX_COUNTED = 500_000


class Entry(msgspec.Struct, omit_defaults=True, rename="camel"):
    """One request as the simulator answered it."""

    time: float
    """Epoch seconds."""
    account: str
    region: str
    operation: str
    status: int
    request_id: str
    gateway: str | None = None
    target: str | None = None
    """Target id."""
    name: str | None = None
    """Target name."""
    error: str | None = None
    message: str | None = None
    client_token: str | None = None
    effect: str = "answer"
    """"answer", or how the answer was lost: "close", "reset", "hang"."""
    caller: str | None = None
    """ARN of the caller."""
    role: str | None = None
    """ARN of the role whose session calls; of AssumeRole, the role asked for (`account` is the caller's)."""
    session: str | None = None
    """Role session name, of the same session."""
    tags: dict[str, str] = {}
    """Session tags, of the same session."""
    external_id: str | None = None
    """ExternalId of AssumeRole."""


class Journal:
    """The last requests, and how many calls there were since the start or the last reset."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._operations: Counter[tuple[str, str, str]] = Counter()
        self._errors: Counter[tuple[str, str, str]] = Counter()
        self._targets: dict[tuple[str, str, str, str], int] = {}

    def add(self, entry: Entry) -> None:
        """Record one request."""
        self._entries.append(entry)
        account, region, operation = entry.account, entry.region, entry.operation
        self._operations[account, region, operation] += 1
        if entry.error is not None:
            self._errors[account, region, entry.error] += 1
        if entry.target is not None:
            key = (account, region, entry.target, operation)
            self._targets[key] = self._targets.get(key, 0) + 1
            if len(self._targets) > _MAX_COUNTED:
                del self._targets[next(iter(self._targets))]

    def find(self, filters: dict[str, str], *, since: float = 0.0, limit: int | None = None) -> list[Entry]:
        """Entries, oldest first, whose wire members (`operation`, `target`, ...) equal `filters`.

        `since` is in epoch seconds, inclusive; with `limit` only the last that many are returned.

        Raises:
            ValueError: a filter that entries do not have.
        """
        unknown = filters.keys() - set(Entry.__struct_encode_fields__)
        if unknown:
            raise ValueError(
                f"Unknown filter {min(unknown)!r}; use {', '.join(Entry.__struct_encode_fields__)}."
            )
        wanted = [
            (attribute, filters[wire])
            for attribute, wire in zip(Entry.__struct_fields__, Entry.__struct_encode_fields__, strict=True)
            if wire in filters
        ]
        found = [entry for entry in self._entries if entry.time >= since and _matches(entry, wanted)]
        return found[-limit:] if limit else found

    def counts(self, account: str | None = None, region: str | None = None) -> dict[str, Any]:
        """Calls by operation, by error code, and by target id and operation; those of a place, or all."""

        def here(key: tuple[str, ...]) -> bool:
            return account in {None, key[0]} and region in {None, key[1]}

        operations, errors = Counter[str](), Counter[str]()
        for table, kept in ((self._operations, operations), (self._errors, errors)):
            for key, number in table.items():
                if here(key):
                    kept[key[2]] += number
        by_target: dict[str, Counter[str]] = {}
        for target_key, number in self._targets.items():
            if here(target_key):
                by_target.setdefault(target_key[2], Counter())[target_key[3]] += number
        return {"operations": operations, "errors": errors, "targets": by_target}

    def resize(self, size: int) -> None:
        """Keep at most `size` entries from now on."""
        if size != self._entries.maxlen:
            self._entries = deque(self._entries, maxlen=size)

    def clear(self) -> None:
        """Forget all entries and counts."""
        self._entries.clear()
        self._operations.clear()
        self._errors.clear()
        self._targets.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


def _matches(entry: Entry, wanted: list[tuple[str, str]]) -> bool:
    return all(str(getattr(entry, attribute)) == value for attribute, value in wanted)
