"""A whole installation on this machine, for the demo, the tests and the benchmarks."""

__version__ = "0.2.0"
