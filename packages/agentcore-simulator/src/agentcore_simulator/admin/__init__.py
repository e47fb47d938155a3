"""Everything from outside: the admin API and its client, edits, other writers, situations, snapshots."""
