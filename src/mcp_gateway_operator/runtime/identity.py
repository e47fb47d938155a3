"""Who this process is in a Lease, and the proof that its predecessor on the same host is dead.

In a pod the name is the pod's: a restarted container goes on under it at once. Elsewhere each process has a
name of its own, and a lock file proves who is dead: the kernel releases the lock of a process that ends in
any way, SIGKILL included. The file lists those who held the lock; when the lock can be had, all of them are
gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

KEEP = 32
"""How many former holders the lock file remembers."""


class Identity:
    """The name of this process.

    Args:
        environment: the process's environment variables.

    Attributes:
        name: the pod's, else one that no other process has had.
        in_pod: whether it is the pod's, so that a restarted container has it, too.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        host = socket.gethostname()
        in_cluster = "KUBERNETES_SERVICE_HOST" in environment
        pod = environment.get("POD_NAME") or (environment.get("HOSTNAME", host) if in_cluster else "")
        self.in_pod = bool(pod)
        self.name = pod or f"{host}_{secrets.token_hex(8)}"


class DeathProof:
    """What a process can prove about those that competed for one Lease before it, on the same host.

    Args:
        lock_file: a file that all processes on this host which compete for that Lease use.
        name: this process in that Lease.
    """

    def __init__(self, lock_file: Path, name: str) -> None:
        self.name = name
        self._file: Path | None = lock_file
        self._descriptor: int | None = None
        self._dead: frozenset[str] = frozenset()
        self._lock()

    def is_dead(self, holder: str) -> bool:
        """Return whether the process of that name is known to have ended; False when it cannot be known."""
        if self._descriptor is None:
            self._lock()
        return holder in self._dead

    def close(self) -> None:
        """Release the lock; the end of the process does it too."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # Without a place for the lock there is no proof: the lease's own expiry decides.
            self._file = None
            return
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            before = os.pread(descriptor, 1 << 16, 0).decode(errors="replace").split()
            self._dead = frozenset(before) - {self.name}
            text = "\n".join([*before[-KEEP + 1 :], self.name]) + "\n"
            os.pwrite(descriptor, text.encode(), 0)
            os.ftruncate(descriptor, len(text.encode()))
            undo.pop_all()
            self._descriptor = descriptor
