"""Measurements against peers: ``make bench``, or one of them by ``python -m tests.benchmarks.<name>``."""
