"""One request in, one answer out, as a function of time."""
