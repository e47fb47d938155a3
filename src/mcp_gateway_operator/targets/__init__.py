"""Pure logic: desired target, normalising, diff, names, ownership marker, failure classes, plan."""
