"""Everything from outside: the admin API and its client, edits, other writers, situations, snapshots."""

from __future__ import annotations

from agentcore_simulator.admin.admin_api import ADMIN_PREFIX, Admin
from agentcore_simulator.admin.admin_client import AdminClient
from agentcore_simulator.admin.place import AdminRefusedError, Place
from agentcore_simulator.admin.situations import apply_situation, parse_situation
from agentcore_simulator.admin.snapshots import dump_snapshot, load_snapshot, save_file

__all__ = [
    "ADMIN_PREFIX",
    "Admin",
    "AdminClient",
    "AdminRefusedError",
    "Place",
    "apply_situation",
    "dump_snapshot",
    "load_snapshot",
    "parse_situation",
    "save_file",
]
